"""Parameters: the named typed inputs of a flow, their JSON Schema, and the conversion of what people send."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from headrace import errors
from headrace.graph import building, context, pickled, task
from headrace.graph import options as task_options

#: The default of a parameter that has none.
REQUIRED: Any = inspect.Parameter.empty


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Definition:
    """One parameter: its name, type (Any: not said) and default (REQUIRED: none)."""

    name: str
    annotation: Any = Any
    default: Any = REQUIRED
    description: str = ""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def schema(self) -> dict[str, Any]:
        """Its type as JSON Schema; an empty one where the type has none."""
        import msgspec  # a third of what importing `flow` may cost, and not needed to build one

        if self.annotation is Any:
            return {}
        if hasattr(self.annotation, "model_json_schema"):  # pydantic, where the user has it
            return self.annotation.model_json_schema()
        try:
            (schema,), components = msgspec.json.schema_components(
                [self.annotation], ref_template="#/$defs/{name}"
            )
        except (TypeError, RuntimeError):  # a class that JSON has no words for
            return {}
        return {**schema, "$defs": components} if components else schema

    def default_as_json(self) -> Any:
        """The default as the server keeps it. Raises errors.GraphError where JSON has no words for it."""
        import msgspec

        if self.required:
            return None
        if hasattr(self.default, "model_dump"):
            return self.default.model_dump(mode="json")
        try:
            return msgspec.to_builtins(self.default, str_keys=True)
        except (TypeError, ValueError):
            raise errors.GraphError(
                f"parameter '{self.name}': its default, a {type(self.default).__name__}, cannot be sent as JSON; "
                "give a number, string, date, list, dict, enum or dataclass."
            ) from None

    def convert(self, value: Any) -> Any:
        """The value in the parameter's type, from JSON or Python. Raises ValueError with what is wrong."""
        import msgspec

        if self.annotation is Any:
            return value
        if hasattr(self.annotation, "model_validate"):
            return self.annotation.model_validate(value)
        if _is_plain(self.annotation) and isinstance(value, self.annotation) and not isinstance(value, bool):
            return value
        try:
            return msgspec.convert(value, self.annotation, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        except TypeError:  # a type that msgspec does not know: only Python can give a value of it
            return value


def _is_plain(annotation: Any) -> bool:
    return isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias)


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Read:
    """What a parameter's node does: answers the run's value of it."""

    name: str

    def __call__(self) -> Any:
        return context.context.parameters[self.name]


def node_task(definition: Definition) -> task.Task[[], Any]:
    return task.Task(
        Read(definition.name), kind="parameter", name=definition.name, description=definition.description
    )


def of_function(function: Callable[..., Any], flow: str) -> dict[str, Definition]:
    """The parameters that a flow function's signature declares."""
    signature = inspect.signature(function)
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise errors.GraphError(
            f"flow '{flow}': the types of its parameters cannot be read: {error}."
        ) from None
    found: dict[str, Definition] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise errors.GraphError(
                f"flow '{flow}': parameter '{name}' needs a name of its own; write it without `*` or `/`."
            )
        found[name] = Definition(name, hints.get(name, Any), parameter.default)
    return found


def validate(definitions: Mapping[str, Definition], given: Mapping[str, Any], flow: str) -> dict[str, Any]:
    """Every parameter's value in its type. Raises errors.Invalid with a sentence for each field that is wrong."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in given:
        if name not in definitions:
            wrong[name] = f"there is no such parameter{task_options.suggestion(name, definitions)}"
    for name, definition in definitions.items():
        if name in given:
            try:
                values[name] = definition.convert(given[name])
            except ValueError as error:
                wrong[name] = str(error)
        elif definition.required:
            wrong[name] = "it is required and has no default"
        else:
            values[name] = definition.default
    if wrong:
        sentences = "; ".join(f"parameter '{name}': {sentence}" for name, sentence in wrong.items())
        raise errors.Invalid(
            f"flow '{flow}': {sentences}.",
            fields={f"parameters.{name}": text for name, text in wrong.items()},
        )
    return values


def Parameter(name: str, *, default: Any = REQUIRED, type: Any = Any, description: str = "") -> Any:  # noqa: A002, N802 - read as a value's constructor, as people know it
    """A parameter of the flow being built (`with Flow(...)`), as a future value. `type` is an annotation such as `int | None`."""
    builder = building.current()
    if builder is None:
        raise errors.GraphError(
            f"Parameter('{name}') belongs into a flow's block: `with Flow(...): {name} = Parameter('{name}')`."
        )
    return builder.add_parameter(Definition(name, type, default, description))
