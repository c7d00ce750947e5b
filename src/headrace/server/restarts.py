"""Re-runs: a new run that takes over the results of a finished one and runs the rest.

A finished run does not change any more, so what its re-run will do is worked out before the transaction that makes it.
"""

import dataclasses
from types import SimpleNamespace
from typing import Any

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import labels
from headrace.core.moves import Actor
from headrace.core.states import StateType
from headrace.server import kept_results, parameters, restart_plan, run_queries, runs, tables
from headrace.server.service import Service, handles, prepares
from headrace.web.handlers import Call, Caller
from headrace.wire import flows, operations, restarts, run_configs
from headrace.wire import runs as wire_runs

_runs = tables.flow_runs
_flows = tables.flows
_versions = tables.flow_versions

_earlier = (
    sa.select(
        *[
            *(_runs.c.id, _runs.c.name, _runs.c.state_type, _runs.c.flow_id, _runs.c.parameters),
            *(_runs.c.labels, _runs.c.run_config, _runs.c.log_level, _runs.c.priority, _runs.c.slots),
            *(_versions.c.id.label("version_id"), _versions.c.number, _versions.c.structure),
            *(_versions.c.code_sha256, _versions.c.labels.label("version_labels")),
            *(_versions.c.run_config.label("version_run_config"), _flows.c.name.label("flow")),
            *(_flows.c.archived_at, _flows.c.default_parameters, _flows.c.current_version_id),
            _flows.c.labels.label("flow_labels"),
        ]
    )
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .join(_versions, _versions.c.id == _runs.c.version_id)
    .where(_runs.c.id == sa.bindparam("id"))
)
_version = sa.select(
    *[
        *(_versions.c.id, _versions.c.number, _versions.c.structure, _versions.c.parameters),
        _versions.c.code_sha256,
    ]
).where(_versions.c.flow_id == sa.bindparam("flow"), _versions.c.deleted_at.is_(None))
_numbered = _version.where(_versions.c.number == sa.bindparam("number"))
_identified = _version.where(_versions.c.id == sa.bindparam("version"))


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A re-run that may be made: the run before it, its version and parameters, and what it will do."""

    earlier: sa.Row[Any]
    version: sa.Row[Any]
    parameters: dict[str, Any]
    plan: restart_plan.Plan


@prepares(operations.preview_rerun)
@prepares(operations.rerun_flow_run)
def prepare_rerun(service: Service, caller: Caller, request: restarts.RerunFlowRun) -> Prepared:
    """Reads both graphs and all that the earlier run recorded. Raises for what cannot be re-run so."""

    def read(call: Call[Any]) -> tuple[sa.Row[Any], sa.Row[Any], kept_results.Record]:
        earlier = call.connection.execute(_earlier, {"id": request.flow_run_id}).one_or_none()
        if earlier is None:
            raise errors.NotFound(f"there is no flow run {request.flow_run_id}")
        _check(earlier)
        return earlier, _find(call, earlier, request), kept_results.of_run(call.connection, earlier.id)

    earlier, version, record = service.look(read)
    values = _parameters(earlier, version, request)
    wish = restart_plan.Wish(
        request.tasks, request.from_start, restart_plan.changed(earlier.parameters, values)
    )
    before, after = _structure(earlier), _structure(version)
    return Prepared(earlier, version, values, restart_plan.plan(before, after, record, wish))


@handles(operations.preview_rerun)
def preview_rerun(call: Call[Any], request: restarts.RerunFlowRun) -> restarts.RerunPreview:
    prepared: Prepared = call.prepared
    return restarts.RerunPreview(
        flow_run_id=prepared.earlier.id,
        version=prepared.version.number,
        parameters=prepared.parameters,
        runs=prepared.plan.runs,
        reused=prepared.plan.reused,
        tasks=prepared.plan.tasks,
        notes=list(_notes(prepared)),
    )


@handles(operations.rerun_flow_run)
def rerun_flow_run(call: Call[Any], request: restarts.RerunFlowRun) -> wire_runs.FlowRun:
    created = create(call, call.prepared, request)
    call.flow_run_id = created.id
    return run_queries.built(call, created)


def create(call: Call[Any], prepared: Prepared, request: restarts.RerunFlowRun) -> SimpleNamespace:
    """Makes the new run, as `runs.create` answers it."""
    earlier = prepared.earlier
    if prepared.plan.is_idle and earlier.state_type == StateType.SUCCESS.value:
        raise errors.Conflict(
            f"every task of the run {earlier.name!r} has succeeded: say from which task it is to run again,"
            " or from the start",
            reason="nothing_to_run",
        )
    asked = _asked(prepared, request)
    runs.check(asked)
    columns = {"restarted_from": earlier.id, "anew": prepared.plan.anew}
    source = runs.find_source(call, asked)
    return runs.create(call, source, asked, origin=runs.Origin(Actor.USER, columns))


def _check(earlier: sa.Row[Any]) -> None:
    state = StateType(earlier.state_type)
    if not state.is_finished:
        first = "resume or cancel it" if state is StateType.PAUSED else "wait for its end, or cancel it"
        raise errors.Conflict(
            f"the run {earlier.name!r} is {state}: {first} before it is run again",
            reason="not_finished",
            state=state.value,
        )
    if earlier.archived_at is not None:
        raise errors.Conflict(
            f"the flow {earlier.flow!r} is archived: register it again to run it", reason="archived"
        )


def _find(call: Call[Any], earlier: sa.Row[Any], request: restarts.RerunFlowRun) -> sa.Row[Any]:
    """The version that is to run."""
    if request.version is None or request.version == 0:
        wanted = earlier.version_id if request.version is None else earlier.current_version_id
        query, asked = _identified, {"flow": earlier.flow_id, "version": wanted}
    else:
        query, asked = _numbered, {"flow": earlier.flow_id, "number": request.version}
    found = call.connection.execute(query, asked).one_or_none()
    if found is not None:
        return found
    if request.version is None:
        raise errors.Conflict(
            f"version {earlier.number} of the flow {earlier.flow!r} was deleted: name another one, or the current one",
            reason="version_deleted",
        )
    raise errors.NotFound(f"the flow {earlier.flow!r} has no version {request.version or 'that is current'}")


def _parameters(earlier: sa.Row[Any], version: sa.Row[Any], request: restarts.RerunFlowRun) -> dict[str, Any]:
    """Those of the earlier run with the changes; one that this version does not have any more is passed over."""
    before = earlier.default_parameters | earlier.parameters
    return parameters.resolved(earlier.flow, parameters.specs(version.parameters), before, request.parameters)


def _structure(row: sa.Row[Any]) -> flows.Structure:
    return msgspec.json.decode(row.structure, type=flows.Structure)


def _asked(prepared: Prepared, request: restarts.RerunFlowRun) -> wire_runs.CreateFlowRun:
    """The re-run as a request for a run. Labels and run config are the earlier run's, unless those came from its version
    and another version runs now.
    """
    earlier = prepared.earlier
    same = prepared.version.id == earlier.version_id
    own = list(labels.normalised(earlier.version_labels))
    followed = not same and earlier.flow_labels is None and earlier.labels == own
    wanted, config = request.labels, request.run_config
    if wanted is None and not followed:
        wanted = earlier.labels
    if config is None and (same or earlier.run_config != earlier.version_run_config):
        config = msgspec.convert(earlier.run_config, run_configs.RunConfig)
    return wire_runs.CreateFlowRun(
        flow_id=earlier.flow_id,
        version=prepared.version.number,
        parameters=prepared.parameters,
        name=request.name,
        labels=wanted,
        run_config=config,
        log_level=request.log_level or earlier.log_level,
        priority=earlier.priority,
        slots=earlier.slots,
    )


def _notes(prepared: Prepared) -> list[str]:
    earlier, version, plan = prepared.earlier, prepared.version, prepared.plan
    found: list[str] = []
    if version.code_sha256 != earlier.code_sha256 and plan.reused:
        found.append(
            f"Version {version.number} has other code than version {earlier.number}: results are taken over by the task's"
            " name. Name the tasks whose code has changed, and they run anew with all below them."
        )
    lost = sum(task.runs for task in plan.tasks if task.why == "not_kept")
    if lost:
        found.append(
            f"{lost} task runs that succeeded run again, for their values are needed and were not kept."
        )
    if any(task.open for task in plan.tasks):
        found.append("Some mapped tasks may have more children than are counted here.")
    if plan.is_idle:
        found.append("Nothing would run: every task has succeeded.")
    return found
