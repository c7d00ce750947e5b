"""The parameters of a run: the flow's defaults, then those of its settings, then what was given; checked against the schema.

Pure: a function of the parameters that a version describes and of values.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headrace import errors
from headrace.core import json_schema
from headrace.wire import flows


def specs(stored: Any) -> list[flows.ParameterSpec]:
    """The parameters that a version describes, from the database's JSON."""
    return msgspec.convert(stored, list[flows.ParameterSpec])


def merged(
    known: Sequence[flows.ParameterSpec], *layers: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values, later layers winning, and what is wrong with them: field → sentence."""
    names = [spec.name for spec in known]
    values: dict[str, Any] = {spec.name: spec.default for spec in known if not spec.required}
    given: dict[str, Any] = {}
    for layer in layers:
        given |= layer
    problems = {f"parameters.{name}": _unknown(name, names) for name in given if name not in names}
    for spec in known:
        if spec.name in given:
            problems |= json_schema.problems(given[spec.name], spec.schema, f"parameters.{spec.name}")
        elif spec.required:
            problems[f"parameters.{spec.name}"] = "is missing and has no default"
    return values | given, problems


def resolved(
    flow: str, known: Sequence[flows.ParameterSpec], settings: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The values for a run. Raises errors.Invalid with each field that is wrong.

    A setting for a parameter that a later version has not is passed over; what was given for this run is not.
    """
    names = {spec.name for spec in known}
    kept = {name: value for name, value in settings.items() if name in names}
    values, problems = merged(known, kept, given)
    if problems:
        (field, first), *others = problems.items()
        more = f" ({len(others)} more)" if others else ""
        raise errors.Invalid(f"The flow {flow!r} cannot run so: {field} {first}{more}.", fields=problems)
    return values


def _unknown(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"is unknown, did you mean {near[0]!r}?"
    return (
        f"is unknown; the flow's parameters are {', '.join(names)}"
        if names
        else "is unknown; the flow has no parameters"
    )
