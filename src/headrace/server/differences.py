"""What differs between two versions of a flow: plain comparison of what registration sent."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from headrace.wire import flows, versions

#: Settings of the flow that registration sends, by the words for them.
_SETTINGS = {
    "description": "description",
    "labels": "labels",
    "reference_tasks": "reference tasks",
    "retries": "retries",
    "retry_delay_seconds": "retry delay",
    "timeout_seconds": "timeout",
    "on_lost": "on_lost",
    "lost_after_seconds": "lost_after",
}
#: A flow has many of these.
_MANY = ("task", "edge", "parameter", "schedule")
#: In this order things are told.
_ORDER = (*_MANY, "run config", "executor", "storage", "setting", "code")


def changes(before: flows.Structure, after: flows.Structure) -> list[versions.Change]:
    """Everything that differs, sorted by kind; empty where nothing does but perhaps the content's bytes."""
    found: list[versions.Change] = [
        *_named("task", _by_slug(before), _by_slug(after)),
        *_edges(before.edges, after.edges),
        *_named("parameter", _by_name(before), _by_name(after)),
        *_schedules(before, after),
        *_single("run config", before.run_config, after.run_config),
        *_single("executor", before.executor, after.executor),
    ]
    if before.storage_kind != after.storage_kind:
        kinds = versions.FieldChange(name="kind", before=before.storage_kind, after=after.storage_kind)
        found.append(_change("storage", "storage", "changed", [kinds]))
    for field, words in _SETTINGS.items():
        one, other = getattr(before, field), getattr(after, field)
        if one != other:
            value = versions.FieldChange(name=field, before=one, after=other)
            found.append(_change("setting", words, "changed", [value]))
    if before.code_sha256 != after.code_sha256:
        digests = versions.FieldChange(name="sha256", before=before.code_sha256, after=after.code_sha256)
        found.append(_change("code", "code", "changed", [digests]))
    return sorted(found, key=lambda change: (_ORDER.index(change.what), change.how, change.name))


def summary(found: Sequence[versions.Change]) -> str:
    """One line: "1 task added, 2 edges removed, executor and code changed"; "nothing changed" where nothing did."""
    counted = Counter((change.what, change.how) for change in found if change.what in _MANY)
    words = [f"{count} {what}{'s' if count > 1 else ''} {how}" for (what, how), count in counted.items()]
    singles = [change.name for change in found if change.what not in _MANY]
    if singles:
        words.append(f"{_listed(singles)} changed")
    return ", ".join(words) or "nothing changed"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _by_slug(structure: flows.Structure) -> dict[str, Any]:
    # a parameter's node says nothing that the parameter itself does not
    return {task.slug: task for task in structure.tasks if task.kind != "parameter"}


def _by_name(structure: flows.Structure) -> dict[str, Any]:
    return {parameter.name: parameter for parameter in structure.parameters}


def _named(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[versions.Change]:
    for name in after.keys() - before.keys():
        yield _change(what, name, "added")
    for name in before.keys() - after.keys():
        yield _change(what, name, "removed")
    for name in before.keys() & after.keys():
        if fields := _fields(before[name], after[name]):
            yield _change(what, name, "changed", fields)


def _edges(before: Sequence[flows.EdgeSpec], after: Sequence[flows.EdgeSpec]) -> Iterable[versions.Change]:
    """An edge is known by its ends and its key; two of one kind between the same tasks differ in their case."""
    yield from _named("edge", {_edge(edge): edge for edge in before}, {_edge(edge): edge for edge in after})


def _edge(edge: flows.EdgeSpec) -> str:
    key = f" ({edge.key})" if edge.key else ""
    case = f" if {edge.case}" if edge.case is not None else ""
    return f"{edge.upstream} → {edge.downstream}{key}{case}"


def _schedules(before: flows.Structure, after: flows.Structure) -> Iterable[versions.Change]:
    """Schedules written in code have no names: each is itself, or another one."""
    one = {msgspec.json.encode(schedule): schedule for schedule in before.schedules}
    other = {msgspec.json.encode(schedule): schedule for schedule in after.schedules}
    for encoded, schedule in other.items():
        if encoded not in one:
            yield _change("schedule", _schedule(schedule), "added")
    for encoded, schedule in one.items():
        if encoded not in other:
            yield _change("schedule", _schedule(schedule), "removed")


def _schedule(schedule: Any) -> str:
    clocks = [
        " ".join(
            str(value)
            for name, value in _plain(clock).items()
            if value not in (None, [], {}) and name != "kind"
        )
        for clock in schedule.clocks
    ]
    return "; ".join(clocks)


def _single(what: str, before: Any, after: Any) -> Iterable[versions.Change]:
    if fields := _fields(before, after):
        yield _change(what, what, "changed", fields)


def _fields(before: Any, after: Any) -> list[versions.FieldChange]:
    """The fields that differ, also where the two are of different kinds."""
    one, other = _plain(before), _plain(after)
    return [
        versions.FieldChange(name=name, before=one.get(name), after=other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def _plain(value: Any) -> dict[str, Any]:
    return msgspec.to_builtins(value)


def _change(what: str, name: str, how: str, fields: Sequence[versions.FieldChange] = ()) -> versions.Change:
    return versions.Change(what=what, name=name, how=how, fields=list(fields))
