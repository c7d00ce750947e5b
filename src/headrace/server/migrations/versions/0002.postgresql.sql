CREATE TABLE audit (
id UUID NOT NULL,
at TIMESTAMP WITH TIME ZONE NOT NULL,
actor_kind TEXT NOT NULL,
actor_name TEXT NOT NULL,
actor_id UUID,
key_id UUID,
address TEXT NOT NULL,
operation TEXT NOT NULL,
object_kind TEXT NOT NULL,
object_id TEXT NOT NULL,
object_name TEXT NOT NULL,
details TEXT NOT NULL,
before TEXT,
request_id TEXT NOT NULL,
number BIGINT,
previous_sha256 TEXT,
sha256 TEXT,
CONSTRAINT pk_audit PRIMARY KEY (id),
CONSTRAINT uq_audit_number UNIQUE (number)
)
--;
CREATE INDEX ix_audit_actor ON audit (actor_name, id)
--;
CREATE INDEX ix_audit_object ON audit (object_id, id)
--;
CREATE TABLE compatibility (
one INTEGER NOT NULL,
oldest_revision TEXT NOT NULL,
CONSTRAINT pk_compatibility PRIMARY KEY (one)
)
--;
CREATE TABLE deliveries (
id BIGSERIAL NOT NULL,
event_id UUID NOT NULL,
channel_id UUID NOT NULL,
rule TEXT NOT NULL,
flow_run_id UUID,
about UUID NOT NULL,
subject TEXT NOT NULL,
event TEXT NOT NULL,
state TEXT NOT NULL,
attempts INTEGER NOT NULL,
next_at TIMESTAMP WITH TIME ZONE NOT NULL,
give_up_at TIMESTAMP WITH TIME ZONE NOT NULL,
error TEXT NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
finished_at TIMESTAMP WITH TIME ZONE,
CONSTRAINT pk_deliveries PRIMARY KEY (id)
)
--;
CREATE INDEX ix_deliveries_due ON deliveries (state, next_at)
--;
CREATE INDEX ix_deliveries_finished_at ON deliveries (finished_at)
--;
CREATE INDEX ix_deliveries_flow_run_id ON deliveries (flow_run_id)
--;
CREATE INDEX ix_deliveries_order ON deliveries (channel_id, about, state)
--;
CREATE TABLE departures (
state_sha256 BYTEA NOT NULL,
ticket_sha256 BYTEA NOT NULL,
next TEXT NOT NULL,
expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_departures PRIMARY KEY (state_sha256)
)
--;
CREATE TABLE epochs (
number INTEGER NOT NULL,
id UUID NOT NULL,
reason TEXT NOT NULL,
began_at TIMESTAMP WITH TIME ZONE NOT NULL,
as_of TIMESTAMP WITH TIME ZONE,
place TEXT,
CONSTRAINT pk_epochs PRIMARY KEY (number)
)
--;
CREATE TABLE installation (
id SERIAL NOT NULL,
paused BOOLEAN NOT NULL,
paused_at TIMESTAMP WITH TIME ZONE,
paused_by TEXT NOT NULL,
paused_reason TEXT NOT NULL,
scheduler_at TIMESTAMP WITH TIME ZONE,
CONSTRAINT pk_installation PRIMARY KEY (id)
)
--;
INSERT INTO installation (id, paused, paused_by, paused_reason) VALUES (1, FALSE, '', '')
--;
CREATE TABLE invitations (
id UUID NOT NULL,
token_sha256 BYTEA NOT NULL,
email TEXT NOT NULL,
role TEXT NOT NULL,
origin TEXT NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_by TEXT NOT NULL,
expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
mailed_at TIMESTAMP WITH TIME ZONE,
mail_problem TEXT NOT NULL,
CONSTRAINT pk_invitations PRIMARY KEY (id),
CONSTRAINT uq_invitations_token_sha256 UNIQUE (token_sha256)
)
--;
CREATE INDEX ix_invitations_email ON invitations (email)
--;
CREATE TABLE notification_channels (
id UUID NOT NULL,
name TEXT NOT NULL,
kind TEXT NOT NULL,
shown TEXT NOT NULL,
sealed BYTEA NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_by TEXT NOT NULL,
updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_notification_channels PRIMARY KEY (id),
CONSTRAINT uq_notification_channels_name UNIQUE (name)
)
--;
ALTER TABLE queues ADD COLUMN priority INTEGER DEFAULT '0' NOT NULL
--;
ALTER TABLE queues DROP CONSTRAINT uq_queues_labels_key_kind
--;
ALTER TABLE queues ADD CONSTRAINT uq_queues_labels_key_kind_priority UNIQUE (labels_key, kind, priority)
--;
CREATE TABLE retention_rounds (
id UUID NOT NULL,
began_at TIMESTAMP WITH TIME ZONE NOT NULL,
ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
removed TEXT NOT NULL,
complete BOOLEAN NOT NULL,
CONSTRAINT pk_retention_rounds PRIMARY KEY (id)
)
--;
CREATE TABLE sign_up_rule (
id SERIAL NOT NULL,
rule TEXT NOT NULL,
domains TEXT NOT NULL,
role TEXT NOT NULL,
CONSTRAINT pk_sign_up_rule PRIMARY KEY (id)
)
--;
ALTER TABLE flows ADD COLUMN priority INTEGER DEFAULT '0' NOT NULL
--;
ALTER TABLE flows ADD COLUMN slots INTEGER DEFAULT '1' NOT NULL
--;
ALTER TABLE flows ADD COLUMN late_after_seconds FLOAT
--;
ALTER TABLE flows ADD COLUMN cancel_late_seconds FLOAT
--;
ALTER TABLE flows ADD COLUMN lost_after_seconds FLOAT
--;
ALTER TABLE flows ADD COLUMN deleted_at TIMESTAMP WITH TIME ZONE
--;
CREATE TABLE identities (
issuer TEXT NOT NULL,
subject TEXT NOT NULL,
user_id UUID NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_identities PRIMARY KEY (issuer, subject),
CONSTRAINT uq_identities_user_id_issuer UNIQUE (user_id, issuer),
CONSTRAINT fk_identities_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
--;
CREATE TABLE resets (
token_sha256 BYTEA NOT NULL,
user_id UUID NOT NULL,
generation INTEGER NOT NULL,
expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_resets PRIMARY KEY (token_sha256),
CONSTRAINT fk_resets_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_resets_user_id ON resets (user_id)
--;
CREATE TABLE variables (
id UUID NOT NULL,
name TEXT NOT NULL,
scope TEXT NOT NULL,
project_id UUID,
value TEXT NOT NULL,
description TEXT NOT NULL,
version INTEGER NOT NULL,
deleted BOOLEAN NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_by TEXT NOT NULL,
updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
updated_by TEXT NOT NULL,
CONSTRAINT pk_variables PRIMARY KEY (id),
CONSTRAINT uq_variables_name_scope UNIQUE (name, scope),
CONSTRAINT fk_variables_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_variables_project_id ON variables (project_id)
--;
CREATE TABLE artifact_keys (
flow_id UUID NOT NULL,
key TEXT NOT NULL,
version INTEGER NOT NULL,
CONSTRAINT pk_artifact_keys PRIMARY KEY (flow_id, key),
CONSTRAINT fk_artifact_keys_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE TABLE backfills (
id UUID NOT NULL,
flow_id UUID NOT NULL,
schedule_id UUID,
schedule TEXT NOT NULL,
since TIMESTAMP WITH TIME ZONE NOT NULL,
until TIMESTAMP WITH TIME ZONE NOT NULL,
parallel INTEGER NOT NULL,
newest_first BOOLEAN NOT NULL,
skip TEXT NOT NULL,
parameters TEXT NOT NULL,
priority INTEGER NOT NULL,
status TEXT NOT NULL,
problem TEXT DEFAULT '' NOT NULL,
total INTEGER NOT NULL,
skipped INTEGER NOT NULL,
cursor_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_by TEXT NOT NULL,
ended_at TIMESTAMP WITH TIME ZONE,
CONSTRAINT pk_backfills PRIMARY KEY (id),
CONSTRAINT fk_backfills_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_backfills_flow_id ON backfills (flow_id)
--;
CREATE INDEX ix_backfills_status ON backfills (status)
--;
ALTER TABLE flow_versions ADD COLUMN deleted_at TIMESTAMP WITH TIME ZONE
--;
CREATE TABLE limits (
id UUID NOT NULL,
kind TEXT NOT NULL,
what TEXT NOT NULL,
flow_id UUID,
size INTEGER NOT NULL,
when_full TEXT NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_by TEXT NOT NULL,
updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_limits PRIMARY KEY (id),
CONSTRAINT uq_limits_kind_what UNIQUE (kind, what),
CONSTRAINT fk_limits_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_limits_flow_id ON limits (flow_id)
--;
CREATE TABLE notification_rules (
id UUID NOT NULL,
name TEXT NOT NULL,
channel_id UUID NOT NULL,
states TEXT NOT NULL,
project_id UUID,
flow_id UUID,
labels TEXT NOT NULL,
text TEXT NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_by TEXT NOT NULL,
CONSTRAINT pk_notification_rules PRIMARY KEY (id),
CONSTRAINT uq_notification_rules_name UNIQUE (name),
CONSTRAINT fk_notification_rules_channel_id FOREIGN KEY(channel_id) REFERENCES notification_channels (id) ON DELETE CASCADE,
CONSTRAINT fk_notification_rules_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE,
CONSTRAINT fk_notification_rules_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_notification_rules_channel_id ON notification_rules (channel_id)
--;
CREATE INDEX ix_notification_rules_flow_id ON notification_rules (flow_id)
--;
CREATE INDEX ix_notification_rules_project_id ON notification_rules (project_id)
--;
CREATE TABLE retention_marks (
kind TEXT NOT NULL,
flow_id UUID NOT NULL,
done_until TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_retention_marks PRIMARY KEY (kind, flow_id),
CONSTRAINT fk_retention_marks_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE TABLE retention_rules (
kind TEXT NOT NULL,
scope TEXT NOT NULL,
flow_id UUID,
seconds FLOAT,
runs INTEGER,
updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_retention_rules PRIMARY KEY (kind, scope),
CONSTRAINT fk_retention_rules_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_retention_rules_flow_id ON retention_rules (flow_id)
--;
CREATE TABLE schedules (
id UUID NOT NULL,
flow_id UUID NOT NULL,
name TEXT NOT NULL,
origin TEXT NOT NULL,
schedule TEXT NOT NULL,
active BOOLEAN NOT NULL,
revision INTEGER NOT NULL,
problem TEXT,
settled_until TIMESTAMP WITH TIME ZONE NOT NULL,
made_until TIMESTAMP WITH TIME ZONE NOT NULL,
fill_at TIMESTAMP WITH TIME ZONE,
last_catch_up TEXT,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_by TEXT NOT NULL,
updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
updated_by TEXT NOT NULL,
CONSTRAINT pk_schedules PRIMARY KEY (id),
CONSTRAINT uq_schedules_flow_id_name UNIQUE (flow_id, name),
CONSTRAINT fk_schedules_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_schedules_fill_at ON schedules (fill_at)
--;
CREATE TABLE slas (
id UUID NOT NULL,
name TEXT NOT NULL,
flow_id UUID NOT NULL,
kind TEXT NOT NULL,
promise TEXT NOT NULL,
next_at TIMESTAMP WITH TIME ZONE,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
created_by TEXT NOT NULL,
CONSTRAINT pk_slas PRIMARY KEY (id),
CONSTRAINT uq_slas_flow_id_name UNIQUE (flow_id, name),
CONSTRAINT fk_slas_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_slas_next_at ON slas (next_at)
--;
CREATE TABLE variable_versions (
variable_id UUID NOT NULL,
version INTEGER NOT NULL,
value TEXT NOT NULL,
deleted BOOLEAN NOT NULL,
at TIMESTAMP WITH TIME ZONE NOT NULL,
by_kind TEXT NOT NULL,
by_name TEXT NOT NULL,
by_id UUID,
CONSTRAINT pk_variable_versions PRIMARY KEY (variable_id, version),
CONSTRAINT fk_variable_versions_variable_id FOREIGN KEY(variable_id) REFERENCES variables (id) ON DELETE CASCADE
)
--;
ALTER TABLE flow_runs ADD COLUMN state_code TEXT DEFAULT '' NOT NULL
--;
ALTER TABLE flow_runs ADD COLUMN waits_for UUID
--;
ALTER TABLE flow_runs ADD COLUMN priority INTEGER DEFAULT '0' NOT NULL
--;
ALTER TABLE flow_runs ADD COLUMN slots INTEGER DEFAULT '1' NOT NULL
--;
ALTER TABLE flow_runs ADD COLUMN slotted BOOLEAN DEFAULT false NOT NULL
--;
ALTER TABLE flow_runs ADD COLUMN pause_wish TEXT
--;
ALTER TABLE flow_runs ADD COLUMN pause_ends_at TIMESTAMP WITH TIME ZONE
--;
ALTER TABLE flow_runs ADD COLUMN mark TEXT
--;
ALTER TABLE flow_runs ADD COLUMN restarted_from UUID
--;
ALTER TABLE flow_runs ADD COLUMN anew TEXT
--;
ALTER TABLE flow_runs ADD COLUMN schedule_id UUID
--;
ALTER TABLE flow_runs ADD COLUMN schedule_revision INTEGER
--;
ALTER TABLE flow_runs ADD COLUMN tick TEXT
--;
ALTER TABLE flow_runs ADD COLUMN backfill_id UUID
--;
DROP INDEX ix_flow_runs_claim
--;
CREATE INDEX ix_flow_runs_claim ON flow_runs (queue_id, not_before) WHERE state_type = 'Scheduled' AND waits_for IS NULL
--;
CREATE INDEX ix_flow_runs_due ON flow_runs (flow_id, due_at) WHERE state_type = 'Scheduled'
--;
CREATE INDEX ix_flow_runs_ended ON flow_runs (flow_id, finished_at, id) WHERE finished_at IS NOT NULL
--;
CREATE INDEX ix_flow_runs_pause_ends ON flow_runs (pause_ends_at) WHERE pause_ends_at IS NOT NULL
--;
CREATE INDEX ix_flow_runs_restarts ON flow_runs (restarted_from, id) WHERE restarted_from IS NOT NULL
--;
CREATE INDEX ix_flow_runs_waits ON flow_runs (waits_for, priority DESC, not_before) WHERE waits_for IS NOT NULL
--;
CREATE UNIQUE INDEX uq_flow_runs_backfill ON flow_runs (backfill_id, tick) WHERE backfill_id IS NOT NULL
--;
CREATE UNIQUE INDEX uq_flow_runs_tick ON flow_runs (schedule_id, tick) WHERE schedule_id IS NOT NULL
--;
CREATE TABLE artifacts (
id UUID NOT NULL,
flow_run_id UUID NOT NULL,
flow_id UUID NOT NULL,
task TEXT,
map_index INTEGER NOT NULL,
attempt INTEGER NOT NULL,
kind TEXT NOT NULL,
key TEXT NOT NULL,
version INTEGER NOT NULL,
token TEXT NOT NULL,
title TEXT NOT NULL,
body TEXT NOT NULL,
size INTEGER NOT NULL,
created_at TIMESTAMP WITH TIME ZONE NOT NULL,
updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_artifacts PRIMARY KEY (id),
CONSTRAINT fk_artifacts_flow_run_id FOREIGN KEY(flow_run_id) REFERENCES flow_runs (id) ON DELETE CASCADE,
CONSTRAINT fk_artifacts_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_artifacts_flow ON artifacts (flow_id, key, version)
--;
CREATE INDEX ix_artifacts_run ON artifacts (flow_run_id, id)
--;
ALTER TABLE run_events ADD COLUMN state_code TEXT DEFAULT '' NOT NULL
--;
ALTER TABLE run_streams ADD COLUMN artifacts INTEGER DEFAULT '0' NOT NULL
--;
CREATE TABLE sla_misses (
id UUID NOT NULL,
sla_id UUID NOT NULL,
key TEXT NOT NULL,
flow_id UUID NOT NULL,
flow_run_id UUID,
at TIMESTAMP WITH TIME ZONE NOT NULL,
sentence TEXT NOT NULL,
CONSTRAINT pk_sla_misses PRIMARY KEY (id),
CONSTRAINT uq_sla_misses_sla_id_key UNIQUE (sla_id, key),
CONSTRAINT fk_sla_misses_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE,
CONSTRAINT fk_sla_misses_flow_run_id FOREIGN KEY(flow_run_id) REFERENCES flow_runs (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_sla_misses_flow_id ON sla_misses (flow_id)
--;
CREATE INDEX ix_sla_misses_flow_run_id ON sla_misses (flow_run_id)
--;
CREATE TABLE slots (
limit_id UUID NOT NULL,
number INTEGER NOT NULL,
run_id UUID,
slug TEXT DEFAULT '' NOT NULL,
map_index INTEGER DEFAULT '-1' NOT NULL,
attempt INTEGER DEFAULT '0' NOT NULL,
taken_at TIMESTAMP WITH TIME ZONE,
CONSTRAINT pk_slots PRIMARY KEY (limit_id, number),
CONSTRAINT fk_slots_limit_id FOREIGN KEY(limit_id) REFERENCES limits (id) ON DELETE CASCADE,
CONSTRAINT fk_slots_run_id FOREIGN KEY(run_id) REFERENCES flow_runs (id) ON DELETE SET NULL
)
--;
CREATE INDEX ix_slots_run_id ON slots (run_id)
--;
CREATE TABLE variable_reads (
flow_run_id UUID NOT NULL,
name TEXT NOT NULL,
variable_id UUID,
version INTEGER NOT NULL,
at TIMESTAMP WITH TIME ZONE NOT NULL,
CONSTRAINT pk_variable_reads PRIMARY KEY (flow_run_id, name),
CONSTRAINT fk_variable_reads_flow_run_id FOREIGN KEY(flow_run_id) REFERENCES flow_runs (id) ON DELETE CASCADE,
CONSTRAINT fk_variable_reads_variable_id FOREIGN KEY(variable_id) REFERENCES variables (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_variable_reads_variable_id ON variable_reads (variable_id)
--;
CREATE TABLE artifact_images (
artifact_id UUID NOT NULL,
data BYTEA NOT NULL,
CONSTRAINT pk_artifact_images PRIMARY KEY (artifact_id),
CONSTRAINT fk_artifact_images_artifact_id FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE
)
--;
