"""Reading requests: path, query and body become one message, or an error that names the field."""

import difflib
import re
from typing import Any, TypeGuard
from urllib.parse import parse_qsl

import msgspec
import msgspec.inspect

from headrace import errors, wire
from headrace.wire import operations

#: How deep values without a type of their own may be nested; typed ones end by themselves.
DEEPEST = 64
#: How many fields a query may have.
MOST_FIELDS = 200

_AT = re.compile(r"^(?P<what>.*?) - at `\$\.?(?P<where>.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>.*)`")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[\]{}]")


class Decoder:
    """Reads the requests of one operation. The parts' types are made once, so that bodies are decoded at full speed."""

    def __init__(self, operation: operations.Operation[Any, Any]) -> None:
        self._request = operation.request
        fields = msgspec.structs.fields(operation.request)
        in_path = set(re.findall(r"{(\w+)}", operation.path))
        self._rest = [field for field in fields if field.name not in in_path]
        self._names = [field.encode_name for field in self._rest]
        self._path = _part(f"{operation.name}_path", [field for field in fields if field.name in in_path])
        self._part = _part(f"{operation.name}_rest", self._rest)
        self._body = msgspec.json.Decoder(self._part)
        infos = [msgspec.inspect.type_info(field.type) for field in self._rest]
        self._lists = {
            name
            for name, info in zip(self._names, infos, strict=True)
            if isinstance(info, msgspec.inspect.ListType)
        }
        self._known, self._untyped = _inspect(infos)
        self.in_query = operation.method in ("GET", "DELETE")

    def decode(self, path: dict[str, str], query: bytes, body: bytes) -> wire.Message:
        """The request. Raises errors.Invalid, or errors.NotFound for an id in the path that is none."""
        try:
            ids = msgspec.convert(path, self._path, strict=False)
        except msgspec.ValidationError as error:
            raise errors.NotFound(f"there is nothing at this address: {_readable(str(error))[1]}") from None
        if self.in_query:
            if body.strip():
                raise errors.Invalid("this operation takes its fields in the query and has no body")
            rest = self._from_query(query)
        else:
            if query:
                raise errors.Invalid("this operation takes its fields in the body and has no query")
            rest = self._from_body(body)
        values = {field.name: getattr(rest, field.name) for field in self._rest}
        return self._request(**msgspec.structs.asdict(ids), **values)

    def _from_query(self, query: bytes) -> Any:
        values: dict[str, Any] = {}
        try:
            pairs = parse_qsl(
                query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
            )
        except ValueError:
            raise errors.Invalid("the query is not readable") from None
        for name, value in pairs:
            if name in self._lists:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise errors.Invalid(f"{name} is given twice", fields={name: "given twice"})
            else:
                values[name] = value
        return self._checked(lambda: msgspec.convert(values, self._part, strict=False))

    def _from_body(self, body: bytes) -> Any:
        if self._untyped:
            _refuse_deep(body)
        return self._checked(lambda: self._body.decode(body or b"{}"))

    def _checked(self, decode: Any) -> Any:
        try:
            return decode()
        except msgspec.ValidationError as error:
            where, what = _readable(str(error))
            unknown = _UNKNOWN.search(what)
            if unknown:
                raise self._unknown(where, unknown["name"]) from None
            raise errors.Invalid(
                f"{where}: {what}" if where else what, fields={where: what} if where else {}
            ) from None
        except msgspec.DecodeError as error:
            raise errors.Invalid(f"the body is not JSON: {error}") from None
        except RecursionError:
            raise errors.Invalid("the body is nested too deep") from None

    def _unknown(self, where: str, name: str) -> errors.Invalid:
        close = difflib.get_close_matches(name, self._known if where else self._names, 1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        full = f"{where}.{name}" if where else name
        return errors.Invalid(f"there is no field {full!r}{hint}", fields={full: f"unknown{hint}"})


def _part(name: str, fields: list[msgspec.structs.FieldInfo]) -> type[msgspec.Struct]:
    specs: list[Any] = []
    for field in fields:
        if field.default_factory is not msgspec.NODEFAULT:
            default: Any = msgspec.field(default_factory=field.default_factory, name=field.encode_name)
        elif field.default is not msgspec.NODEFAULT:
            default = msgspec.field(default=field.default, name=field.encode_name)
        else:
            default = msgspec.field(name=field.encode_name)
        specs.append((field.name, field.type, default))
    return msgspec.defstruct(name, specs, kw_only=True, forbid_unknown_fields=True, frozen=True, gc=False)


def _inspect(infos: list[msgspec.inspect.Type]) -> tuple[list[str], bool]:
    """The names of all fields inside these types, and whether any value has no type."""
    names: set[str] = set()
    seen: set[Any] = set()
    untyped = False
    waiting: list[Any] = list(infos)
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.AnyType | msgspec.inspect.RawType):
            untyped = True
        elif isinstance(info, msgspec.inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            names |= {field.encode_name for field in info.fields}
            waiting += [field.type for field in info.fields]
        elif isinstance(info, msgspec.inspect.Type):
            waiting += [value for name in info.__struct_fields__ for value in _types(getattr(info, name))]
    return sorted(names), untyped


def _types(value: Any) -> list[Any]:
    if isinstance(value, msgspec.inspect.Type):
        return [value]
    if _is_tuple(value):
        return [one for one in value if isinstance(one, msgspec.inspect.Type)]
    return []


def _is_tuple(value: Any) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


def _refuse_deep(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", body)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEEPEST:
            raise errors.Invalid(f"the body is nested deeper than {DEEPEST} levels")


def _readable(message: str) -> tuple[str, str]:
    """Where (a path of fields, or nothing) and what, from msgspec's sentence."""
    found = _AT.match(message)
    return (found["where"], found["what"]) if found else ("", message)
