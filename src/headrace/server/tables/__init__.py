"""Every table of the server, by noun. Statements are in the nouns' modules."""

from headrace.server.tables.agents import agents as agents
from headrace.server.tables.columns import EPOCH as EPOCH
from headrace.server.tables.columns import Instant as Instant
from headrace.server.tables.columns import Json as Json
from headrace.server.tables.columns import metadata as metadata
from headrace.server.tables.flows import flow_versions as flow_versions
from headrace.server.tables.flows import flows as flows
from headrace.server.tables.flows import projects as projects
from headrace.server.tables.people import keys as keys
from headrace.server.tables.people import service_accounts as service_accounts
from headrace.server.tables.people import sessions as sessions
from headrace.server.tables.people import sign_in_failures as sign_in_failures
from headrace.server.tables.people import start_links as start_links
from headrace.server.tables.people import users as users
from headrace.server.tables.reports import logs as logs
from headrace.server.tables.reports import run_streams as run_streams
from headrace.server.tables.reports import task_run_states as task_run_states
from headrace.server.tables.reports import task_runs as task_runs
from headrace.server.tables.runs import PARTIAL_INDEXES as PARTIAL_INDEXES
from headrace.server.tables.runs import flow_runs as flow_runs
from headrace.server.tables.runs import queues as queues
from headrace.server.tables.runs import run_events as run_events
from headrace.server.tables.service import loop_leases as loop_leases
from headrace.server.tables.service import requests as requests
