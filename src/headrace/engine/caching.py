"""What a task's cached value and its target are known by: keys of what went in, and filled-in templates."""

import dataclasses
import datetime as dt
import enum
import functools
import hashlib
import types
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, cast

from headrace import errors
from headrace.executors import pickling, tracebacks
from headrace.graph import caching, options

_PLAIN = (
    type(None), bool, int, float, complex, str, bytes,
    dt.datetime, dt.date, dt.time, dt.timedelta,
)  # fmt: skip


def token(value: Any) -> bytes:
    """A digest that is the same for equal values, from process to process and whatever the order of sets and dicts.

    Raises whatever pickling the value raises.
    """
    digest = hashlib.sha256()
    digest.update(_kind(value).encode())
    for part in _parts(value):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def key(
    name: str,
    function: Callable[..., Any],
    policy: caching.CachePolicy,
    cache_key: str | Callable[..., str] | None,
    inputs: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> str:
    """The key of a cached value: the task's identity (or the `cache_key` that stands for it) and what its policy counts."""
    if callable(cache_key):
        return f"given:{cache_key(**inputs)}"
    if cache_key is not None:
        identity = f"named:{fill(cache_key, name, inputs, facts)}"
    else:
        identity = f"task:{name}:{token(function).hex()}"
    counted = [
        _counted(name, "input", inputs, policy.inputs),
        _counted(name, "parameter", facts["parameters"], policy.parameters),
    ]
    return ":".join([identity, *counted])


def fill(
    template: str | Callable[..., str], name: str, inputs: Mapping[str, Any], facts: Mapping[str, Any]
) -> str:
    """A template over the task's inputs and the facts of its run; a function gets the inputs. Raises errors.Invalid."""
    if callable(template):
        return template(**inputs)
    known = {**facts, **inputs}
    try:
        return template.format_map(known)
    except KeyError as error:
        missing = str(error.args[0])
        raise errors.Invalid(
            f"task '{name}': the template '{template}' asks for '{missing}', which there is not{options.suggestion(missing, known)}"
        ) from None
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise errors.Invalid(
            f"task '{name}': the template '{template}' cannot be filled in: {error}"
        ) from None


def _counted(name: str, what: str, values: Mapping[str, Any], chosen: bool | tuple[str, ...]) -> str:
    names = sorted(values) if chosen is True else sorted(chosen or ())
    found: dict[str, bytes] = {}
    for each in names:
        if each not in values:
            raise errors.Invalid(
                f"task '{name}': its cache counts the {what} '{each}', which there is not{options.suggestion(each, values)}"
            )
        try:
            found[each] = token(values[each])
        except Exception as error:
            raise errors.Invalid(
                f"task '{name}': its {what} '{each}' has no stable form to cache by ({tracebacks.sentence(error)}); "
                "give cache_key=…"
            ) from error
    return token(found).hex()


def _kind(value: Any) -> str:
    kind = cast("type[Any]", type(value))
    return f"{kind.__module__}.{kind.__qualname__}"


def _parts(value: Any) -> list[bytes]:
    if isinstance(value, enum.Enum):
        return [value.name.encode()]
    if type(value) in _PLAIN or isinstance(value, PurePath):
        return [repr(value).encode()]
    if isinstance(value, list | tuple):
        return [token(item) for item in cast("list[Any]", value)]
    if isinstance(value, set | frozenset):
        return sorted(token(item) for item in cast("set[Any]", value))
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return [part for pair in sorted((token(k), token(v)) for k, v in pairs) for part in pair]
    if isinstance(value, functools.partial):
        bound = cast("functools.partial[Any]", value)
        return [token(bound.func), token(bound.args), token(bound.keywords)]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [
            value.__qualname__.encode(),
            *_code(value.__code__),
            token(value.__defaults__),
            token(value.__kwdefaults__),
            token(cells),
        ]
    if isinstance(value, types.CodeType):
        return _code(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [token((field.name, getattr(value, field.name))) for field in dataclasses.fields(value)]
    return [pickling.dumps(value)]


def _code(code: types.CodeType) -> list[bytes]:
    """What a function does, apart from where it stands in its file."""
    return [code.co_code, token(code.co_consts), token(code.co_names)]
