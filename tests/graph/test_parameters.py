"""Parameters: their types from annotations, their schemas, and the values that people send."""

import dataclasses
import enum
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from headrace import Flow, Parameter, errors, flow


class Currency(enum.Enum):
    EUR = "eur"
    USD = "usd"


@dataclasses.dataclass
class Window:
    start: date
    days: int = 7


class Model:
    """What a pydantic model offers, by name."""

    def __init__(self, size):
        self.size = size

    @classmethod
    def model_json_schema(cls):
        return {"type": "object", "title": "Model"}

    @classmethod
    def model_validate(cls, value):
        if "size" not in value:
            raise ValueError("size is missing")
        return cls(value["size"])

    def model_dump(self, mode):
        return {"size": self.size}


class Opaque:
    pass


@flow
def typed(
    day: date,
    count: int = 3,
    share: float | None = None,
    names: list[str] = ["a"],  # noqa: B006 - a flow's default is data
    currency: Currency = Currency.EUR,
    window: Window = Window(date(2026, 1, 1)),  # noqa: B008 - likewise
    at: datetime | None = None,
    mode: Literal["fast", "slow"] = "fast",
    port: Annotated[int, msgspec.Meta(ge=1)] = 80,
    model: Model = Model(1),  # noqa: B008 - likewise
    untyped=None,
    anything: Any = None,
):
    pass


def test_what_is_sent_becomes_the_annotated_types():
    values = typed.graph.validate(
        {
            "day": "2026-11-22",
            "count": "7",
            "share": 0.5,
            "currency": "usd",
            "window": {"start": "2026-02-01"},
            "at": "2026-11-22T06:00:00Z",
            "model": {"size": 2},
            "untyped": {"any": "thing"},
        }
    )
    assert values["day"] == date(2026, 11, 22)
    assert values["count"] == 7
    assert values["share"] == 0.5
    assert values["currency"] is Currency.USD
    assert values["window"] == Window(date(2026, 2, 1), 7)
    assert values["at"] == datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert values["model"].size == 2
    assert values["untyped"] == {"any": "thing"}
    assert values["names"] == ["a"]
    assert values["port"] == 80


def test_values_of_python_pass_as_they_are():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    values = typed.graph.validate(
        {"day": date(2026, 1, 1), "currency": Currency.USD, "at": at, "window": Window(date(2026, 1, 2))}
    )
    assert (values["day"], values["currency"], values["at"]) == (date(2026, 1, 1), Currency.USD, at)
    assert values["window"] == Window(date(2026, 1, 2))


def test_everything_wrong_is_named_at_once():
    with pytest.raises(errors.Invalid) as refused:
        typed.graph.validate({"count": "many", "mode": "slowly", "port": 0, "curency": "eur", "model": {}})
    assert set(refused.value.fields) == {
        "parameters.day",
        "parameters.count",
        "parameters.mode",
        "parameters.port",
        "parameters.curency",
        "parameters.model",
    }
    assert "did you mean 'currency'?" in refused.value.fields["parameters.curency"]
    assert refused.value.fields["parameters.day"] == "it is required and has no default"
    assert "flow 'typed'" in str(refused.value)


@pytest.mark.parametrize("value", [True, 1.5, "x", None, [1]])
def test_a_whole_number_is_nothing_else(value):
    with pytest.raises(errors.Invalid, match="parameter 'count'"):
        typed.graph.validate({"day": "2026-01-01", "count": value})


def test_schemas_say_what_a_form_needs():
    schemas = {name: each.schema() for name, each in typed.graph.parameters.items()}
    assert schemas["count"] == {"type": "integer"}
    assert schemas["day"] == {"type": "string", "format": "date"}
    assert schemas["port"] == {"type": "integer", "minimum": 1}
    assert schemas["mode"] == {"enum": ["fast", "slow"]}
    assert schemas["names"] == {"type": "array", "items": {"type": "string"}}
    assert schemas["model"] == {"type": "object", "title": "Model"}
    assert schemas["untyped"] == {}
    assert schemas["window"]["$ref"] == "#/$defs/Window"
    assert schemas["window"]["$defs"]["Window"]["properties"]["days"] == {"type": "integer", "default": 7}
    assert {"type": "null"} in schemas["share"]["anyOf"]
    assert sorted(schemas["currency"]["$defs"]["Currency"]["enum"]) == ["eur", "usd"]


def test_defaults_are_sent_as_json():
    sent = {name: each.default_as_json() for name, each in typed.graph.parameters.items()}
    assert sent["window"] == {"start": "2026-01-01", "days": 7}
    assert sent["currency"] == "eur"
    assert sent["model"] == {"size": 1}
    assert sent["day"] is None
    assert typed.graph.parameters["day"].required


def test_a_default_without_words_in_json_is_refused_by_name():
    @flow
    def hidden(what=Opaque()):  # noqa: B008
        pass

    with pytest.raises(
        errors.GraphError, match="parameter 'what': its default, a Opaque, cannot be sent as JSON"
    ):
        hidden.describe(project="p")


def test_a_type_that_json_has_no_words_for_takes_values_of_python():
    @flow
    def odd(
        what: Opaque,
        where: Path = Path("x"),
        price: Decimal = Decimal("1.5"),
        wait: timedelta = timedelta(seconds=1),
    ):
        pass

    given = Opaque()
    assert odd.graph.validate({"what": given})["what"] is given
    assert odd.graph.parameters["what"].schema() == {}
    assert odd.graph.validate({"what": given, "price": "2.5"})["price"] == Decimal("2.5")
    assert odd.graph.parameters["price"].schema()["type"] == "string"


def test_the_classical_form_declares_the_same():
    with Flow("classical") as f:
        Parameter("day", type=date)
        Parameter("count", type=int, default=3, description="How many.")
    assert f.graph.validate({"day": "2026-01-02"}) == {"day": date(2026, 1, 2), "count": 3}
    assert f.graph.parameters["count"].description == "How many."
    with pytest.raises(errors.Invalid, match="'day': it is required"):
        f.graph.validate({})


def test_a_parameter_belongs_into_a_block():
    with pytest.raises(errors.GraphError, match=r"belongs into a flow's block: `with Flow"):
        Parameter("day")


@pytest.mark.parametrize("function", [lambda *days: None, lambda **days: None, lambda days, /: None])
def test_a_parameter_needs_a_name_of_its_own(function):
    with pytest.raises(errors.GraphError, match="'days' needs a name of its own"):
        flow(function).graph  # noqa: B018


def test_an_annotation_that_cannot_be_read_is_named():
    def body(day: "Dait"):  # noqa: F821
        pass

    with pytest.raises(errors.GraphError, match="name 'Dait' is not defined"):
        flow(body).graph  # noqa: B018
