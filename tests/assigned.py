"""An assignment as an agent gets it, for what is made of it."""

from datetime import UTC, datetime
from uuid import UUID

from headrace.wire import executors, run_configs, runs, storage

RUN = UUID(int=7)


def assignment(config: run_configs.RunConfig, content: storage.Storage | None = None) -> runs.Assignment:
    return runs.Assignment(
        flow_run_id=RUN,
        name="brave-otter",
        project="p",
        flow="f",
        version=1,
        fence=3,
        attempt=1,
        token="the run's token",
        lease_seconds=20,
        storage=content or storage.ModuleStorage(module="m", attribute="f"),
        content_sha256="a" * 64,
        run_config=config,
        executor=executors.LocalExecutor(),
        parameters={},
        due_at=datetime(2026, 1, 1, tzinfo=UTC),
        log_level="INFO",
        on_lost="crash",
        timeout_seconds=None,
        resumed=False,
    )
