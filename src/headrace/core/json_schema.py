"""Checks a JSON value against the part of JSON Schema that parameters are described with.

The subset is what msgspec makes of Python's annotations. A `pattern` is not tried here: an expression written by a user
could keep the server busy for hours; the run process, which has the annotation itself, is the one that decides.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

Schema = Mapping[str, Any]

#: How deep a `$ref` may lead: a recursive type with a value nested deeper than this is refused.
DEEPEST = 64


def problems(value: Any, schema: Schema, name: str) -> dict[str, str]:
    """What is wrong with the value: path (`name`, `name[3].size`) → sentence. Empty when it fits."""
    definitions = cast("Mapping[str, Schema]", schema.get("$defs", {}))
    return dict(_check(value, schema, name, definitions, 0))


def _check(
    value: Any, schema: Any, path: str, definitions: Mapping[str, Schema], depth: int
) -> Iterator[tuple[str, str]]:
    if schema is False or depth > DEEPEST:
        yield path, "is one value too many" if schema is False else f"is nested deeper than {DEEPEST} levels"
        return
    if not isinstance(schema, Mapping):
        return
    rules = cast("Schema", schema)
    if "$ref" in rules:
        yield from _check(value, _target(rules, definitions), path, definitions, depth + 1)
        return
    if "anyOf" in rules:
        yield from _check_any(value, cast("list[Schema]", rules["anyOf"]), path, definitions, depth)
        return
    problem = _kind_problem(value, rules) or _choice_problem(value, rules) or _bound_problem(value, rules)
    if problem:
        yield path, problem
    elif isinstance(value, list):
        yield from _check_items(cast("list[Any]", value), rules, path, definitions, depth)
    elif isinstance(value, dict):
        yield from _check_members(cast("dict[str, Any]", value), rules, path, definitions, depth)


def _check_any(
    value: Any, options: list[Schema], path: str, definitions: Mapping[str, Schema], depth: int
) -> Iterator[tuple[str, str]]:
    tried = [list(_check(value, option, path, definitions, depth + 1)) for option in options]
    if not all(tried):
        return
    kindred = [
        found for found, option in zip(tried, options, strict=True) if _is_kindred(value, option, definitions)
    ]
    if (
        len(kindred) == 1
    ):  # one option has the right kind: what is wrong with it says more than the list of kinds
        yield from kindred[0]
        return
    words = " or ".join(dict.fromkeys(_words(option, definitions) for option in options))
    yield path, f"must be {words}, not {_kind_of(value)}"


def _check_items(
    values: list[Any], rules: Schema, path: str, definitions: Mapping[str, Schema], depth: int
) -> Iterator[tuple[str, str]]:
    first = cast("list[Any]", rules.get("prefixItems", []))
    for index, item in enumerate(values):
        schema = first[index] if index < len(first) else rules.get("items", True)
        yield from _check(item, schema, f"{path}[{index}]", definitions, depth + 1)


def _check_members(
    members: dict[str, Any], rules: Schema, path: str, definitions: Mapping[str, Schema], depth: int
) -> Iterator[tuple[str, str]]:
    known = cast("Mapping[str, Schema]", rules.get("properties", {}))
    for key in cast("list[str]", rules.get("required", [])):
        if key not in members:
            yield f"{path}.{key}", "is missing"
    others = rules.get("additionalProperties", True)
    for key, member in members.items():
        if key in known:
            yield from _check(member, known[key], f"{path}.{key}", definitions, depth + 1)
        elif others is False:
            yield f"{path}.{key}", f"is unknown; known are {', '.join(sorted(known)) or 'none'}"
        else:
            yield from _check(member, others, f"{path}.{key}", definitions, depth + 1)


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "integer": (
        "a whole number",
        # not 2.0, which the annotation of a parameter would refuse when the run has started
        lambda v: isinstance(v, int) and not isinstance(v, bool),
    ),
    "number": ("a number", lambda v: isinstance(v, int | float) and not isinstance(v, bool)),
    "string": ("a text", lambda v: isinstance(v, str)),
    "boolean": ("true or false", lambda v: isinstance(v, bool)),
    "null": ("null", lambda v: v is None),
    "array": ("a list", lambda v: isinstance(v, list)),
    "object": ("an object", lambda v: isinstance(v, dict)),
}

_FORMATS: dict[str, tuple[str, Callable[[str], object]]] = {
    "date-time": ("a time like 2026-11-22T06:00:00+00:00", datetime.fromisoformat),
    "date": ("a date like 2026-11-22", date.fromisoformat),
    "uuid": ("a UUID", UUID),
}


def _kind_problem(value: Any, rules: Schema) -> str | None:
    given = rules.get("type")
    kinds = cast("list[str]", given if isinstance(given, list) else [given])
    known = [_KINDS[kind] for kind in kinds if kind in _KINDS]
    if known and not any(fits(value) for _, fits in known):
        return f"must be {' or '.join(words for words, _ in known)}, not {_kind_of(value)}"
    return None


def _choice_problem(value: Any, rules: Schema) -> str | None:
    choices = cast("list[Any]", [rules["const"]] if "const" in rules else rules.get("enum", []))
    if choices and not any(
        value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices
    ):
        return f"must be one of {', '.join(repr(choice) for choice in choices)}, not {_short(value)}"
    return None


def _bound_problem(value: Any, rules: Schema) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _number_problem(value, rules)
    if isinstance(value, str):
        words, parse = _FORMATS.get(str(rules.get("format")), ("", None))
        if parse is not None and not _parses(value, parse):
            return f"must be {words}, not {_short(value)}"
        return _length_problem(len(value), rules, "Length", "characters")
    if isinstance(value, list):
        return _length_problem(len(cast("list[Any]", value)), rules, "Items", "items")
    return (
        _length_problem(len(cast("dict[str, Any]", value)), rules, "Properties", "entries")
        if isinstance(value, dict)
        else None
    )


def _number_problem(value: float, rules: Schema) -> str | None:
    bounds: tuple[tuple[str, str, Callable[[float, float], bool]], ...] = (
        ("minimum", "at least", lambda v, bound: v >= bound),
        ("maximum", "at most", lambda v, bound: v <= bound),
        ("exclusiveMinimum", "more than", lambda v, bound: v > bound),
        ("exclusiveMaximum", "less than", lambda v, bound: v < bound),
    )
    for key, words, fits in bounds:
        if key in rules and not fits(value, rules[key]):
            return f"must be {words} {rules[key]}, not {_short(value)}"
    step = rules.get("multipleOf")
    if step and abs(value / step - round(value / step)) > 1e-9:
        return f"must be a multiple of {step}, not {_short(value)}"
    return None


def _length_problem(length: int, rules: Schema, suffix: str, unit: str) -> str | None:
    least, most = rules.get(f"min{suffix}"), rules.get(f"max{suffix}")
    if least is not None and length < least:
        return f"must have at least {least} {unit}, not {length}"
    if most is not None and length > most:
        return f"must have at most {most} {unit}, not {length}"
    return None


def _parses(text: str, parse: Callable[[str], object]) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _is_kindred(value: Any, schema: Schema, definitions: Mapping[str, Schema]) -> bool:
    target = _target(schema, definitions)
    return "enum" not in target and _kind_problem(value, target) is None


def _target(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    return definitions.get(str(schema["$ref"]).rpartition("/")[2], {}) if "$ref" in schema else schema


def _words(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    schema = _target(schema, definitions)
    if "enum" in schema:
        return f"one of {', '.join(repr(choice) for choice in cast('list[Any]', schema['enum']))}"
    return _KINDS.get(str(schema.get("type")), ("another value", None))[0]


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {_short(value)}"
    if value is None or isinstance(value, bool | int | float):
        return _short(value)
    return "a list" if isinstance(value, list) else "an object"


def _short(value: Any) -> str:
    text = (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or isinstance(value, bool)
        else repr(value)
    )
    return text if len(text) <= 40 else text[:39] + "…"
