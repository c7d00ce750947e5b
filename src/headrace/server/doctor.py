"""The doctor: looks through a database without changing it, and says in words what is wrong, and where.

Each check is a function of a connection and a moment; `CHECKS` names them as the reports do. What they look at is one
state of the database, so that a server may go on meanwhile.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace.core import leases
from headrace.core.states import StateType
from headrace.server import histories, migrations, tables
from headrace.web import reserve, snapshots

#: Runs looked at in one page.
PAGE = 500
#: Ids that a finding names.
NAMED = 5
#: A run that nobody holds any more is taken up by the reaper long before this is over.
STUCK = timedelta(minutes=10)
#: The database's clock may differ from this machine's by so much, and no record may lie further in the future.
SKEW = timedelta(seconds=60)
#: A disk with less is nearly full.
SCARCE = 256 * 1024 * 1024

_runs = tables.flow_runs
_events = tables.run_events
_AS_TEXT = [sa.type_coerce(_runs.c[name], sa.Text).label(name) for name in histories.JSON]
_page = (
    sa.select(
        _runs.c.id, _runs.c.state_type, _runs.c.state_name, _runs.c.version, _runs.c.fence, _runs.c.attempt,
        _runs.c.rescues, _runs.c.retries, _runs.c.retries_used, _runs.c.lease_until, _runs.c.finished_at, *_AS_TEXT,
    )
    .where(_runs.c.id > sa.bindparam("after"))
    .order_by(_runs.c.id)
    .limit(PAGE)
)  # fmt: skip
_history = (
    sa.select(
        _events.c.flow_run_id, _events.c.seq, _events.c.kind, _events.c.from_type, _events.c.state_type,
        _events.c.state_name, _events.c.fence,
    )
    .where(_events.c.flow_run_id > sa.bindparam("after"), _events.c.flow_run_id <= sa.bindparam("last"))
    .order_by(_events.c.flow_run_id, _events.c.seq)
)  # fmt: skip


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it must be. `serious`: something is wrong, and not only worth a look."""

    check: str
    sentence: str
    serious: bool = True
    ids: list[str] = []


class Report(msgspec.Struct, frozen=True):
    """What was looked at, and what was found."""

    revision: str
    epoch: int
    runs: int
    checks: list[str]
    findings: list[Finding]

    @property
    def is_well(self) -> bool:
        return not any(finding.serious for finding in self.findings)


class Patient:
    """A database under examination."""

    def __init__(self, connection: sa.Connection, now: datetime, url: str) -> None:
        self.connection = connection
        self.now = now
        self.url = url
        self.runs = 0

    @property
    def is_sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///")).expanduser().absolute()

    def ids(self, query: sa.Select[Any]) -> list[str]:
        """The first ids that a query finds."""
        return [str(value) for value in self.connection.execute(query.limit(NAMED)).scalars()]

    def count(self, query: sa.Select[Any]) -> int:
        return self.connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()


def examine(url: str) -> Report:
    """Looks through the database at this URL; a server may be using it. Raises errors.SettingsError where there is none."""
    return snapshots.look(url, lambda connection, now: _examine(Patient(connection, now, url)))


def _examine(patient: Patient) -> Report:
    revision = migrations.revision_of(patient.connection)
    if revision != migrations.HEAD:
        said = "the database is empty" if revision is None else f"the database is of revision {revision}"
        sentence = f"{said}, and this headrace is of {migrations.HEAD}: nothing else was looked at"
        return Report(revision or "", 0, 0, ["revision"], [Finding("revision", sentence)])
    findings = [
        Finding(name, sentence, serious, ids)
        for name, check in CHECKS.items()
        for serious, sentence, ids in check(patient)
    ]
    epoch = patient.connection.execute(sa.select(sa.func.max(tables.epochs.c.number))).scalar() or 0
    if not epoch:
        findings.append(
            Finding("epoch", "the database does not say which life of it this is: it has no epoch")
        )
    return Report(revision, epoch, patient.runs, ["revision", "epoch", *CHECKS], findings)


#: Serious or not, the sentence, and some ids.
Found = Iterator[tuple[bool, str, list[str]]]


def _whole_file(patient: Patient) -> Found:
    """SQLite: every page is what it says."""
    if patient.is_sqlite:
        said = [row[0] for row in patient.connection.exec_driver_sql("PRAGMA integrity_check(5)")]
        if said != ["ok"]:
            yield True, f"the file is damaged: {'; '.join(said)}. Restore a backup", []
        (mode,) = patient.connection.exec_driver_sql("PRAGMA journal_mode").one()
        if mode != "wal":
            yield True, f"the file's journal is {mode}, not wal: readers and the writer stop each other", []


def _durable(patient: Patient) -> Found:
    """PostgreSQL: what was acknowledged is on the disk."""
    if not patient.is_sqlite:
        for name, bad in (("synchronous_commit", "off"), ("fsync", "off"), ("full_page_writes", "off")):
            value = patient.connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            if value == bad:
                serious = name == "synchronous_commit"
                yield (
                    serious,
                    f"{name} is off: a crash of PostgreSQL may lose what was acknowledged. Turn it on",
                    [],
                )


def _histories(patient: Patient) -> Found:
    """Every run is what its history says (I2, I3, I4, I9, I10)."""
    after: UUID | None = UUID(int=0)
    while after is not None:
        runs = patient.connection.execute(_page, {"after": after}).all()
        if not runs:
            return
        asked = {"after": after, "last": runs[-1].id}
        events = patient.connection.execute(_history, asked).all()
        by_run = {
            key: list(group) for key, group in itertools.groupby(events, lambda event: event.flow_run_id)
        }
        for run in runs:
            patient.runs += 1
            for sentence in histories.problems(run, by_run.get(run.id, [])):
                yield True, f"run {run.id}: {sentence}", [str(run.id)]
        after = runs[-1].id if len(runs) == PAGE else None


def _orphans(patient: Patient) -> Found:
    """What a row refers to is there."""
    for table in tables.metadata.sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            target = key.column.table.alias("target")
            lost = (
                sa.select(key.parent)
                .where(key.parent.is_not(None))
                .where(~sa.exists().where(target.c[key.column.name] == key.parent))
                .distinct()
            )
            if ids := patient.ids(lost):
                yield (
                    True,
                    f"{table.name}.{key.parent.name} refers to rows of {key.column.table.name} that are gone",
                    ids,
                )
    flows, versions = tables.flows, tables.flow_versions
    without = sa.select(flows.c.id).where(
        flows.c.current_version_id.is_not(None),
        ~sa.exists().where(versions.c.id == flows.c.current_version_id, versions.c.flow_id == flows.c.id),
    )
    if ids := patient.ids(without):
        yield True, "flows whose current version is none of theirs", ids


def _stuck(patient: Patient) -> Found:
    """Whoever is gone was noticed (I11)."""
    usual = leases.Timing()
    bound = patient.now - max(usual.lost_after, usual.lease + usual.grace) - STUCK
    held = [str(kind) for kind in (StateType.SUBMITTED, StateType.RUNNING, StateType.CANCELLING)]
    late = sa.select(_runs.c.id, _runs.c.lost_after_seconds, _runs.c.lease_until).where(
        _runs.c.state_type.in_(held), _runs.c.lease_until < bound
    )
    for run in patient.connection.execute(late):
        if run.lease_until + timedelta(seconds=run.lost_after_seconds or 0) < bound:
            yield (
                True,
                (
                    f"run {run.id} is held by nobody since {run.lease_until:%Y-%m-%d %H:%M:%S} UTC, and was neither ended nor"
                    " rescued: does a server run?"
                ),
                [str(run.id)],
            )


def _task_runs(patient: Patient) -> Found:
    """Nothing was reported by somebody who never held the run (I4)."""
    for table in (tables.task_runs, tables.task_run_states, tables.run_streams):
        ahead = (
            sa.select(_runs.c.id)
            .join(table, table.c.flow_run_id == _runs.c.id)
            .where(table.c.fence > _runs.c.fence)
            .distinct()
        )
        if ids := patient.ids(ahead):
            yield True, f"{table.name} were reported under a fence that their run has never had", ids


def _slots(patient: Patient) -> Found:
    """A slot is held by a run that is under way, and by it alone (I7)."""
    slots = tables.slots
    held = [str(kind) for kind in (StateType.SUBMITTED, StateType.RUNNING, StateType.CANCELLING)]
    leaked = (
        sa.select(_runs.c.id)
        .join(slots, slots.c.run_id == _runs.c.id)
        .where(_runs.c.state_type.not_in(held))
        .distinct()
    )
    if ids := patient.ids(leaked):
        yield True, "concurrency slots are held by runs that are not under way", ids


def _ticks(patient: Patient) -> Found:
    """One run for one firing of a schedule (I6); one for one idempotency key (I5)."""
    for columns, words in (
        ((_runs.c.schedule_id, _runs.c.tick), "firings of a schedule made more than one run"),
        ((_runs.c.flow_id, _runs.c.idempotency_key), "idempotency keys made more than one run"),
    ):
        twice = (
            sa.select(sa.func.min(sa.cast(_runs.c.id, sa.Text)))
            .where(*(column.is_not(None) for column in columns))
            .group_by(*columns)
            .having(sa.func.count() > 1)
        )
        if ids := patient.ids(twice):
            yield True, words, ids


def _clock(patient: Patient) -> Found:
    """The database's time is the time."""
    here = datetime.now(UTC)
    if abs(patient.now - here) > SKEW:
        yield False, f"the database's clock differs from this machine's by {abs(patient.now - here)}", []
    ahead = sa.select(_events.c.flow_run_id).where(_events.c.at > patient.now + SKEW).distinct()
    if ids := patient.ids(ahead):
        yield False, "events lie in the future: the clock was wrong when they were written, or is now", ids


def _disk(patient: Patient) -> Found:
    """There is room for more."""
    if patient.is_sqlite:
        free = shutil.disk_usage(patient.path.parent).free
        if free < max(SCARCE, patient.path.stat().st_size // 10):
            yield False, f"the database's disk has only {free // 2**20} MiB left", []
        if not os.access(patient.path, os.W_OK):
            yield True, f"{patient.path} cannot be written by this user", []
        elif not reserve.path_for(patient.path).exists():
            yield False, "there is no reserve beside the database for the day when its disk is full", []


CHECKS: dict[str, Callable[[Patient], Found]] = {
    "file": _whole_file,
    "durability": _durable,
    "histories": _histories,
    "orphans": _orphans,
    "stuck runs": _stuck,
    "task runs": _task_runs,
    "slots": _slots,
    "one run each": _ticks,
    "clock": _clock,
    "disk": _disk,
}
