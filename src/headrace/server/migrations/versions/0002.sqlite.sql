CREATE TABLE compatibility (
one INTEGER NOT NULL,
oldest_revision TEXT NOT NULL,
CONSTRAINT pk_compatibility PRIMARY KEY (one)
)
--;
CREATE TABLE epochs (
number INTEGER NOT NULL,
id CHAR(32) NOT NULL,
reason TEXT NOT NULL,
began_at BIGINT NOT NULL,
as_of BIGINT,
CONSTRAINT pk_epochs PRIMARY KEY (number)
)
--;
CREATE TABLE installation (
id INTEGER NOT NULL,
paused BOOLEAN NOT NULL,
paused_at BIGINT,
paused_by TEXT NOT NULL,
paused_reason TEXT NOT NULL,
scheduler_at BIGINT,
CONSTRAINT pk_installation PRIMARY KEY (id)
)
--;
INSERT INTO installation (id, paused, paused_by, paused_reason) VALUES (1, FALSE, '', '')
--;
PRAGMA defer_foreign_keys=ON
--;
CREATE TEMPORARY TABLE kept_queues AS SELECT * FROM queues
--;
DROP TABLE queues
--;
CREATE TABLE queues (
id INTEGER NOT NULL,
labels_key TEXT NOT NULL,
labels TEXT NOT NULL,
kind TEXT NOT NULL,
priority INTEGER DEFAULT '0' NOT NULL,
CONSTRAINT pk_queues PRIMARY KEY (id),
CONSTRAINT uq_queues_labels_key_kind_priority UNIQUE (labels_key, kind, priority)
)
--;
INSERT INTO queues (id, labels_key, labels, kind) SELECT id, labels_key, labels, kind FROM kept_queues
--;
DROP TABLE kept_queues
--;
CREATE TABLE retention_rounds (
id CHAR(32) NOT NULL,
began_at BIGINT NOT NULL,
ended_at BIGINT NOT NULL,
removed TEXT NOT NULL,
complete BOOLEAN NOT NULL,
CONSTRAINT pk_retention_rounds PRIMARY KEY (id)
)
--;
ALTER TABLE flows ADD COLUMN priority INTEGER DEFAULT '0' NOT NULL
--;
ALTER TABLE flows ADD COLUMN slots INTEGER DEFAULT '1' NOT NULL
--;
CREATE TABLE limits (
id CHAR(32) NOT NULL,
kind TEXT NOT NULL,
what TEXT NOT NULL,
flow_id CHAR(32),
size INTEGER NOT NULL,
when_full TEXT NOT NULL,
created_at BIGINT NOT NULL,
created_by TEXT NOT NULL,
updated_at BIGINT NOT NULL,
CONSTRAINT pk_limits PRIMARY KEY (id),
CONSTRAINT uq_limits_kind_what UNIQUE (kind, what),
CONSTRAINT fk_limits_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_limits_flow_id ON limits (flow_id)
--;
CREATE TABLE retention_marks (
kind TEXT NOT NULL,
flow_id CHAR(32) NOT NULL,
done_until BIGINT NOT NULL,
CONSTRAINT pk_retention_marks PRIMARY KEY (kind, flow_id),
CONSTRAINT fk_retention_marks_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE TABLE retention_rules (
kind TEXT NOT NULL,
scope TEXT NOT NULL,
flow_id CHAR(32),
seconds FLOAT,
runs INTEGER,
updated_at BIGINT NOT NULL,
CONSTRAINT pk_retention_rules PRIMARY KEY (kind, scope),
CONSTRAINT fk_retention_rules_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_retention_rules_flow_id ON retention_rules (flow_id)
--;
CREATE TABLE schedules (
id CHAR(32) NOT NULL,
flow_id CHAR(32) NOT NULL,
name TEXT NOT NULL,
origin TEXT NOT NULL,
schedule TEXT NOT NULL,
active BOOLEAN NOT NULL,
revision INTEGER NOT NULL,
problem TEXT,
settled_until BIGINT NOT NULL,
made_until BIGINT NOT NULL,
fill_at BIGINT,
last_catch_up TEXT,
created_at BIGINT NOT NULL,
created_by TEXT NOT NULL,
updated_at BIGINT NOT NULL,
updated_by TEXT NOT NULL,
CONSTRAINT pk_schedules PRIMARY KEY (id),
CONSTRAINT uq_schedules_flow_id_name UNIQUE (flow_id, name),
CONSTRAINT fk_schedules_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_schedules_fill_at ON schedules (fill_at)
--;
ALTER TABLE flow_runs ADD COLUMN state_code TEXT DEFAULT '' NOT NULL
--;
ALTER TABLE flow_runs ADD COLUMN waits_for CHAR(32)
--;
ALTER TABLE flow_runs ADD COLUMN priority INTEGER DEFAULT '0' NOT NULL
--;
ALTER TABLE flow_runs ADD COLUMN slots INTEGER DEFAULT '1' NOT NULL
--;
ALTER TABLE flow_runs ADD COLUMN slotted BOOLEAN DEFAULT 0 NOT NULL
--;
ALTER TABLE flow_runs ADD COLUMN restarted_from CHAR(32)
--;
ALTER TABLE flow_runs ADD COLUMN anew TEXT
--;
ALTER TABLE flow_runs ADD COLUMN schedule_id CHAR(32)
--;
ALTER TABLE flow_runs ADD COLUMN schedule_revision INTEGER
--;
ALTER TABLE flow_runs ADD COLUMN tick TEXT
--;
DROP INDEX ix_flow_runs_claim
--;
CREATE INDEX ix_flow_runs_claim ON flow_runs (queue_id, not_before) WHERE state_type = 'Scheduled' AND waits_for IS NULL
--;
CREATE INDEX ix_flow_runs_waits ON flow_runs (waits_for, priority DESC, not_before) WHERE waits_for IS NOT NULL
--;
CREATE INDEX ix_flow_runs_restarts ON flow_runs (restarted_from, id) WHERE restarted_from IS NOT NULL
--;
CREATE INDEX ix_flow_runs_ended ON flow_runs (flow_id, finished_at, id) WHERE finished_at IS NOT NULL
--;
CREATE INDEX ix_flow_runs_due ON flow_runs (flow_id, due_at) WHERE state_type = 'Scheduled'
--;
CREATE UNIQUE INDEX uq_flow_runs_tick ON flow_runs (schedule_id, tick) WHERE schedule_id IS NOT NULL
--;
ALTER TABLE run_events ADD COLUMN state_code TEXT DEFAULT '' NOT NULL
--;
CREATE TABLE slots (
limit_id CHAR(32) NOT NULL,
number INTEGER NOT NULL,
run_id CHAR(32),
slug TEXT DEFAULT '' NOT NULL,
map_index INTEGER DEFAULT '-1' NOT NULL,
attempt INTEGER DEFAULT '0' NOT NULL,
taken_at BIGINT,
CONSTRAINT pk_slots PRIMARY KEY (limit_id, number),
CONSTRAINT fk_slots_limit_id FOREIGN KEY(limit_id) REFERENCES limits (id) ON DELETE CASCADE,
CONSTRAINT fk_slots_run_id FOREIGN KEY(run_id) REFERENCES flow_runs (id) ON DELETE SET NULL
)
--;
CREATE INDEX ix_slots_run_id ON slots (run_id)
--;
