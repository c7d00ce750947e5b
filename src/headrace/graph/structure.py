"""What registration sends of a graph: names, types, edges and settings, never code; and the digests that decide versions."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from headrace import errors
from headrace.core import schedules as core_schedules
from headrace.graph import canonical, conditions, edge, graph, parameters
from headrace.wire import executors, flows, run_configs


def describe(
    described: graph.Graph,
    *,
    project: str,
    content_sha256: str,
    executor: executors.Executor,
    run_config: run_configs.RunConfig,
    storage_kind: str,
    name: str | None = None,
    labels: Sequence[str] = (),
    schedules: Sequence[core_schedules.Schedule] = (),
    description: str = "",
    retries: int = 0,
    retry_delay: timedelta = timedelta(0),
    timeout: timedelta | None = None,
    on_lost: str = "crash",
    lost_after: timedelta | None = None,
    version: str | None = None,
) -> flows.Structure:
    """All that the server learns. `version` is the author's own word for the code, in place of its digest.

    Raises errors.GraphError where a value that the code reads has no form that is the same tomorrow.
    """
    made = flows.Structure(
        name=name or described.name,
        project=project,
        tasks=[_task(node) for node in described.order()],
        edges=[_edge(each, described) for each in described.edges],
        parameters=[_parameter(each) for each in described.parameters.values()],
        reference_tasks=list(described.reference_tasks),
        description=description,
        labels=sorted(set(labels)),
        run_config=run_config,
        executor=executor,
        storage_kind=storage_kind,
        schedules=list(schedules),
        retries=retries,
        retry_delay_seconds=retry_delay.total_seconds(),
        timeout_seconds=_seconds(timeout),
        on_lost=on_lost,
        lost_after_seconds=_seconds(lost_after),
        structure_sha256="",
        code_sha256=code_sha256(described, version=version),
        content_sha256=content_sha256,
    )
    return msgspec.structs.replace(made, structure_sha256=structure_sha256(made))


def structure_sha256(structure: flows.Structure) -> str:
    """The digest of tasks, edges, parameters and the run's own policy, whatever the order they are listed in.

    Descriptions, labels and schedules make no version; run config, executor and storage kind are compared as they are.
    """
    policy = (
        structure.retries,
        structure.retry_delay_seconds,
        structure.timeout_seconds,
        structure.on_lost,
        structure.lost_after_seconds,
    )
    # As tuples: whether an encoded Message omits a field that equals its default depends on the value's identity.
    decides: list[Any] = [
        sorted((_values(each) for each in structure.tasks), key=str),
        sorted((_values(each) for each in structure.edges), key=str),
        sorted((_values(each) for each in structure.parameters), key=str),
        sorted(structure.reference_tasks),
        policy,
    ]
    return hashlib.sha256(msgspec.json.encode(decides, order="deterministic")).hexdigest()


def _values(each: flows.TaskSpec | flows.EdgeSpec | flows.ParameterSpec) -> list[Any]:
    """What decides a version, by field."""
    return [[name, value] for name, value in msgspec.structs.asdict(each).items() if name != "description"]


def code_sha256(described: graph.Graph, *, version: str | None = None) -> str:
    """The digest of the tasks' code and constants, the same in every process; or of the author's own word for it."""
    forms = canonical.Forms()
    if version is not None:
        return forms.digest(["version", version])
    try:
        return forms.digest(form(described, forms))
    except canonical.NoFormError as error:
        where = " → ".join(f"'{part}'" if " " not in part else part for part in error.path)
        raise errors.GraphError(
            f"flow '{described.name}': {where} holds a {error.kind}, which has no form that is the same tomorrow, so it cannot be "
            'told whether the code changed. Make it inside the task, or name the code yourself: `version="1"`, raised with each change.'
        ) from error


def form(described: graph.Graph, forms: canonical.Forms) -> canonical.Form:
    """The canonical form of a graph's code: each node's task, and the constants it is given.

    What the flow returns is left out: the classical form returns nothing, and is the same flow.
    """
    nodes = [described.nodes[slug] for slug in sorted(described.nodes)]
    return [[node.slug, forms.of(node.task), _arguments(node, forms)] for node in nodes]


def sub_flow_form(described: graph.Graph, forms: canonical.Forms) -> canonical.Form:
    """That of a graph inside another, where what it returns is the value of a node."""
    return [form(described, forms), _argument(described.result, forms)]


def _arguments(node: graph.Node, forms: canonical.Forms) -> canonical.Form:
    if node.kind == "parameter":
        return []
    return [
        [
            key,
            key in node.mapped,
            forms.named(f"input '{key}' of {node.slug}", _Argument(node.arguments[key])),
        ]
        for key in sorted(node.arguments)
    ]


class _Argument:
    """An argument, so that what is wrong in it is named like any value."""

    def __init__(self, given: edge.Argument) -> None:
        self.given = given

    def canonical_form(self, forms: canonical.Forms) -> canonical.Form:
        return _argument(self.given, forms)


def _argument(given: edge.Argument, forms: canonical.Forms) -> canonical.Form:
    match given:
        case edge.Constant(value):
            return ["constant", forms.of(value)]
        case edge.Reference(slug, index):
            return ["reference", slug, index]
        case edge.Flattened(inner):
            return ["flattened", _argument(inner, forms)]
        case edge.Collection(kind, items):
            inside = [_argument(item, forms) for item in items]
            return [kind.__name__, sorted(inside, key=str) if issubclass(kind, set | frozenset) else inside]


def _task(node: graph.Node) -> flows.TaskSpec:
    chosen = node.task.options
    return flows.TaskSpec(
        slug=node.slug,
        name=chosen.name,
        kind=node.kind,
        tags=sorted(node.tags),
        retries=chosen.retries,
        retry_delay_seconds=0 if callable(chosen.retry_delay) else chosen.retry_delay[0] or 0,
        timeout_seconds=_seconds(chosen.timeout),
        trigger=chosen.trigger.name,
        cache=None if chosen.cache is None else chosen.cache.describe(),
        mapped=node.is_mapped,
        description=chosen.description,
    )


def _edge(each: edge.Edge, described: graph.Graph) -> flows.EdgeSpec:
    return flows.EdgeSpec(
        upstream=each.upstream,
        downstream=each.downstream,
        key=each.key,
        mapped=each.mapped,
        flattened=each.flattened,
        case=conditions.branch(described.nodes[each.upstream]) if each.case else None,
    )


def _parameter(definition: parameters.Definition) -> flows.ParameterSpec:
    return flows.ParameterSpec(
        name=definition.name,
        required=definition.required,
        default=definition.default_as_json(),
        schema=definition.schema(),
        description=definition.description,
    )


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
