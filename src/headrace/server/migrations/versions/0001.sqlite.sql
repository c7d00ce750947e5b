CREATE TABLE agents (
id CHAR(32) NOT NULL,
name TEXT NOT NULL,
instance TEXT NOT NULL,
owner TEXT NOT NULL,
key_id CHAR(32),
key_name TEXT NOT NULL,
type TEXT NOT NULL,
labels TEXT NOT NULL,
takes_unlabelled BOOLEAN NOT NULL,
launches TEXT NOT NULL,
headrace_version TEXT NOT NULL,
host TEXT NOT NULL,
draining BOOLEAN NOT NULL,
last_contact_at BIGINT NOT NULL,
created_at BIGINT NOT NULL,
CONSTRAINT pk_agents PRIMARY KEY (id),
CONSTRAINT uq_agents_owner_name UNIQUE (owner, name)
)
--;
CREATE TABLE projects (
id CHAR(32) NOT NULL,
name TEXT NOT NULL,
description TEXT DEFAULT '' NOT NULL,
created_at BIGINT NOT NULL,
CONSTRAINT pk_projects PRIMARY KEY (id),
CONSTRAINT uq_projects_name UNIQUE (name)
)
--;
CREATE TABLE users (
id CHAR(32) NOT NULL,
name TEXT NOT NULL,
email TEXT NOT NULL,
role TEXT NOT NULL,
active BOOLEAN NOT NULL,
password_hash TEXT,
generation INTEGER DEFAULT '0' NOT NULL,
created_at BIGINT NOT NULL,
last_seen_at BIGINT,
CONSTRAINT pk_users PRIMARY KEY (id),
CONSTRAINT uq_users_email UNIQUE (email)
)
--;
CREATE TABLE service_accounts (
id CHAR(32) NOT NULL,
name TEXT NOT NULL,
role TEXT NOT NULL,
created_at BIGINT NOT NULL,
created_by TEXT NOT NULL,
CONSTRAINT pk_service_accounts PRIMARY KEY (id),
CONSTRAINT uq_service_accounts_name UNIQUE (name)
)
--;
CREATE TABLE sign_in_failures (
subject TEXT NOT NULL,
failures INTEGER NOT NULL,
since BIGINT NOT NULL,
CONSTRAINT pk_sign_in_failures PRIMARY KEY (subject)
)
--;
CREATE TABLE queues (
id INTEGER NOT NULL,
labels_key TEXT NOT NULL,
labels TEXT NOT NULL,
kind TEXT NOT NULL,
CONSTRAINT pk_queues PRIMARY KEY (id),
CONSTRAINT uq_queues_labels_key_kind UNIQUE (labels_key, kind)
)
--;
CREATE TABLE requests (
caller TEXT NOT NULL,
id TEXT NOT NULL,
operation TEXT NOT NULL,
body_sha256 BLOB NOT NULL,
answer TEXT,
flow_run_id CHAR(32),
created_at BIGINT NOT NULL,
CONSTRAINT pk_requests PRIMARY KEY (caller, id)
)
--;
CREATE INDEX ix_requests_flow_run_id ON requests (flow_run_id)
--;
CREATE INDEX ix_requests_created_at ON requests (created_at)
--;
CREATE TABLE loop_leases (
loop TEXT NOT NULL,
holder TEXT NOT NULL,
until BIGINT NOT NULL,
CONSTRAINT pk_loop_leases PRIMARY KEY (loop)
)
--;
CREATE TABLE flows (
id CHAR(32) NOT NULL,
project_id CHAR(32) NOT NULL,
name TEXT NOT NULL,
description TEXT DEFAULT '' NOT NULL,
current_version_id CHAR(32),
labels TEXT,
default_parameters TEXT NOT NULL,
paused BOOLEAN NOT NULL,
archived_at BIGINT,
created_at BIGINT NOT NULL,
updated_at BIGINT NOT NULL,
CONSTRAINT pk_flows PRIMARY KEY (id),
CONSTRAINT uq_flows_project_id_name UNIQUE (project_id, name),
CONSTRAINT fk_flows_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
)
--;
CREATE TABLE start_links (
token_sha256 BLOB NOT NULL,
user_id CHAR(32) NOT NULL,
expires_at BIGINT NOT NULL,
used_at BIGINT,
CONSTRAINT pk_start_links PRIMARY KEY (token_sha256),
CONSTRAINT fk_start_links_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
--;
CREATE TABLE sessions (
id CHAR(32) NOT NULL,
token_sha256 BLOB NOT NULL,
user_id CHAR(32) NOT NULL,
generation INTEGER NOT NULL,
created_at BIGINT NOT NULL,
expires_at BIGINT NOT NULL,
last_seen_at BIGINT NOT NULL,
CONSTRAINT pk_sessions PRIMARY KEY (id),
CONSTRAINT uq_sessions_token_sha256 UNIQUE (token_sha256),
CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_sessions_user_id ON sessions (user_id)
--;
CREATE TABLE keys (
id CHAR(32) NOT NULL,
name TEXT NOT NULL,
hint TEXT NOT NULL,
value_sha256 BLOB NOT NULL,
user_id CHAR(32),
service_account_id CHAR(32),
created_at BIGINT NOT NULL,
expires_at BIGINT,
revoked_at BIGINT,
last_used_at BIGINT,
CONSTRAINT pk_keys PRIMARY KEY (id),
CONSTRAINT ck_keys_one_owner CHECK ((user_id IS NULL) <> (service_account_id IS NULL)),
CONSTRAINT uq_keys_value_sha256 UNIQUE (value_sha256),
CONSTRAINT fk_keys_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
CONSTRAINT fk_keys_service_account_id FOREIGN KEY(service_account_id) REFERENCES service_accounts (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_keys_service_account_id ON keys (service_account_id)
--;
CREATE INDEX ix_keys_user_id ON keys (user_id)
--;
CREATE TABLE flow_versions (
id CHAR(32) NOT NULL,
flow_id CHAR(32) NOT NULL,
number INTEGER NOT NULL,
structure TEXT NOT NULL,
storage TEXT NOT NULL,
structure_sha256 TEXT NOT NULL,
code_sha256 TEXT NOT NULL,
content_sha256 TEXT NOT NULL,
tasks INTEGER NOT NULL,
parameters TEXT NOT NULL,
labels TEXT NOT NULL,
run_config TEXT NOT NULL,
executor TEXT NOT NULL,
retries INTEGER NOT NULL,
retry_delay_seconds FLOAT NOT NULL,
timeout_seconds FLOAT,
on_lost TEXT NOT NULL,
lost_after_seconds FLOAT,
headrace_version TEXT NOT NULL,
python_version TEXT NOT NULL,
created_at BIGINT NOT NULL,
created_by TEXT NOT NULL,
registered_at BIGINT NOT NULL,
CONSTRAINT pk_flow_versions PRIMARY KEY (id),
CONSTRAINT uq_flow_versions_flow_id_number UNIQUE (flow_id, number),
CONSTRAINT fk_flow_versions_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE
)
--;
CREATE TABLE flow_runs (
id CHAR(32) NOT NULL,
name TEXT NOT NULL,
project_id CHAR(32) NOT NULL,
flow_id CHAR(32) NOT NULL,
version_id CHAR(32) NOT NULL,
version_pinned BOOLEAN NOT NULL,
queue_id INTEGER NOT NULL,
state_type TEXT NOT NULL,
state_name TEXT NOT NULL,
state_message TEXT NOT NULL,
state_at BIGINT NOT NULL,
version INTEGER NOT NULL,
fence INTEGER NOT NULL,
attempt INTEGER NOT NULL,
rescues INTEGER NOT NULL,
retries_used INTEGER NOT NULL,
due_at BIGINT NOT NULL,
not_before BIGINT NOT NULL,
lease_until BIGINT,
last_contact_at BIGINT,
cancel_requested BOOLEAN NOT NULL,
agent_id CHAR(32),
host TEXT,
pid INTEGER,
parameters TEXT NOT NULL,
labels TEXT NOT NULL,
run_config TEXT NOT NULL,
log_level TEXT NOT NULL,
retries INTEGER NOT NULL,
retry_delay_seconds FLOAT NOT NULL,
timeout_seconds FLOAT,
on_lost TEXT NOT NULL,
lost_after_seconds FLOAT,
idempotency_key TEXT,
created_at BIGINT NOT NULL,
created_by_kind TEXT NOT NULL,
created_by_name TEXT NOT NULL,
created_by_id CHAR(32),
parent_run_id CHAR(32),
started_at BIGINT,
finished_at BIGINT,
result TEXT,
task_states TEXT NOT NULL,
CONSTRAINT pk_flow_runs PRIMARY KEY (id),
CONSTRAINT uq_flow_runs_flow_id_idempotency_key UNIQUE (flow_id, idempotency_key),
CONSTRAINT ck_flow_runs_finished CHECK ((finished_at IS NOT NULL) = (state_type IN ('Success', 'Failed', 'Crashed', 'Cancelled'))),
CONSTRAINT fk_flow_runs_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE,
CONSTRAINT fk_flow_runs_flow_id FOREIGN KEY(flow_id) REFERENCES flows (id) ON DELETE CASCADE,
CONSTRAINT fk_flow_runs_version_id FOREIGN KEY(version_id) REFERENCES flow_versions (id),
CONSTRAINT fk_flow_runs_queue_id FOREIGN KEY(queue_id) REFERENCES queues (id)
)
--;
CREATE INDEX ix_flow_runs_flow ON flow_runs (flow_id, id)
--;
CREATE INDEX ix_flow_runs_agent ON flow_runs (agent_id, id)
--;
CREATE INDEX ix_flow_runs_project ON flow_runs (project_id, id)
--;
CREATE INDEX ix_flow_runs_finished ON flow_runs (finished_at, state_type)
--;
CREATE INDEX ix_flow_runs_state ON flow_runs (state_type, id)
--;
CREATE INDEX ix_flow_runs_claim ON flow_runs (queue_id, not_before) WHERE state_type = 'Scheduled'
--;
CREATE INDEX ix_flow_runs_lease ON flow_runs (lease_until) WHERE lease_until IS NOT NULL
--;
CREATE TABLE task_runs (
flow_run_id CHAR(32) NOT NULL,
slug TEXT NOT NULL,
map_index INTEGER NOT NULL,
fence INTEGER NOT NULL,
state_type TEXT NOT NULL,
state_name TEXT NOT NULL,
state_message TEXT NOT NULL,
state_at BIGINT NOT NULL,
state_due_at BIGINT,
attempt INTEGER NOT NULL,
started_at BIGINT,
finished_at BIGINT,
result TEXT,
CONSTRAINT pk_task_runs PRIMARY KEY (flow_run_id, slug, map_index),
CONSTRAINT fk_task_runs_flow_run_id FOREIGN KEY(flow_run_id) REFERENCES flow_runs (id) ON DELETE CASCADE
)
--;
CREATE TABLE task_run_states (
flow_run_id CHAR(32) NOT NULL,
fence INTEGER NOT NULL,
seq INTEGER NOT NULL,
slug TEXT NOT NULL,
map_index INTEGER NOT NULL,
state_type TEXT NOT NULL,
state_name TEXT NOT NULL,
state_message TEXT NOT NULL,
at BIGINT NOT NULL,
due_at BIGINT,
attempt INTEGER NOT NULL,
CONSTRAINT pk_task_run_states PRIMARY KEY (flow_run_id, fence, seq),
CONSTRAINT fk_task_run_states_flow_run_id FOREIGN KEY(flow_run_id) REFERENCES flow_runs (id) ON DELETE CASCADE
)
--;
CREATE INDEX ix_task_run_states_task ON task_run_states (flow_run_id, slug, map_index)
--;
CREATE TABLE run_streams (
flow_run_id CHAR(32) NOT NULL,
fence INTEGER NOT NULL,
attempt INTEGER NOT NULL,
events INTEGER DEFAULT '0' NOT NULL,
logs INTEGER DEFAULT '0' NOT NULL,
CONSTRAINT pk_run_streams PRIMARY KEY (flow_run_id, fence),
CONSTRAINT fk_run_streams_flow_run_id FOREIGN KEY(flow_run_id) REFERENCES flow_runs (id) ON DELETE CASCADE
)
--;
CREATE TABLE logs (
flow_run_id CHAR(32) NOT NULL,
number BIGINT NOT NULL,
attempt INTEGER NOT NULL,
at BIGINT NOT NULL,
level INTEGER NOT NULL,
logger TEXT NOT NULL,
message TEXT NOT NULL,
task TEXT,
map_index INTEGER NOT NULL,
CONSTRAINT pk_logs PRIMARY KEY (flow_run_id, number),
CONSTRAINT fk_logs_flow_run_id FOREIGN KEY(flow_run_id) REFERENCES flow_runs (id) ON DELETE CASCADE
)
WITHOUT ROWID
--;
CREATE TABLE run_events (
flow_run_id CHAR(32) NOT NULL,
seq INTEGER NOT NULL,
kind TEXT NOT NULL,
from_type TEXT,
state_type TEXT NOT NULL,
state_name TEXT NOT NULL,
state_message TEXT NOT NULL,
state_due_at BIGINT,
actor_kind TEXT NOT NULL,
actor_name TEXT NOT NULL,
actor_id CHAR(32),
fence INTEGER NOT NULL,
request_id TEXT,
at BIGINT NOT NULL,
CONSTRAINT pk_run_events PRIMARY KEY (flow_run_id, seq),
CONSTRAINT fk_run_events_flow_run_id FOREIGN KEY(flow_run_id) REFERENCES flow_runs (id) ON DELETE CASCADE
)
--;
