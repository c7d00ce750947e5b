"""T8, T9, T12, T14: what a start imports. Seconds are measured in bench/; here stands what must not be loaded on the way."""

import subprocess
import sys

#: Each costs 20 ms to 500 ms, and is for what not everybody does.
HEAVY = (
    "alembic",
    "argon2",
    "asyncio",
    "asyncpg",
    "cloudpickle",
    "difflib",
    "headrace.engine",
    "headrace.server",
    "headrace.storage.git_program",
    "headrace.wire",
    "importlib.metadata",
    "msgspec",
    "obstore",
    "opentelemetry",
    "prometheus_client",
    "rich",
    "sqlalchemy",
    "sqlalchemy.orm",
    "urllib3",
)

RUNS_A_FLOW = """
from headrace import flow, task

@task
def one():
    return 1

@flow
def numbers():
    one()

assert numbers.run().is_success
"""


def loaded(program: str) -> set[str]:
    """Which of the heavy modules the program leaves imported."""
    told = (
        f"{program}\nimport sys\nprint('\\n' + ' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


def test_the_help_of_the_command_line_loads_no_command():
    assert loaded("from headrace.cli import main\nassert main.execute(['--help']) == 0") == set()


def test_a_server_loads_neither_the_migrations_nor_the_other_database_nor_what_hashes_passwords():
    needed = {"asyncio", "headrace.server", "headrace.wire", "importlib.metadata", "msgspec", "sqlalchemy"}
    assert loaded("import headrace.cli.start, headrace.server.app") <= needed | {"difflib"}


def test_a_flow_without_asynchronous_tasks_runs_without_asyncio():
    found = loaded(RUNS_A_FLOW)
    assert found.isdisjoint({"asyncio", "sqlalchemy", "urllib3", "headrace.server"}), found
    assert found.isdisjoint({"obstore", "headrace.storage.git_program"}), found
