"""Classes of a flow's own file: what a script defines is there in the process that runs it, structs of msgspec included."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = '''
import dataclasses, enum, sys, typing
from typing import ClassVar, Generic, TypeVar
import msgspec
from headrace import flow, task
from headrace.engine import content

class Colour(enum.Enum):
    RED = "red"

class Flag(enum.Flag):
    A = 1
    B = 2

@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    def twice(self): return Point(2 * self.x)

class Pair(typing.NamedTuple):
    first: int
    second: str = "b"

class Base(msgspec.Struct, frozen=True, tag=True, rename="camel"):
    first_name: str
    limit: ClassVar[int] = 3

class Leaf(Base, frozen=True, kw_only=True, order=True, weakref=True):
    """A leaf."""
    points: list[Point] = []
    colour: Colour = Colour.RED
    needed: int
    more: dict[str, int] = msgspec.field(default_factory=dict, name="rest")

    def again(self): return Leaf(self.first_name + "!", needed=self.needed + 1)
    @classmethod
    def make(cls): return cls("made", needed=1)
    @property
    def size(self): return len(self.points)
    def __str__(self): return super().__repr__()

class Counted(msgspec.Struct):
    number: int = 0
    def __post_init__(self): self.number += 1

class CountedMore(Counted):
    def __post_init__(self):
        super().__post_init__()
        self.number += 10

T = TypeVar("T")
class Box(msgspec.Struct, Generic[T]):
    item: T

class Node(msgspec.Struct):
    inner: "Node | None" = None

def seen():
    leaf = Leaf.make()
    leaf = msgspec.structs.replace(leaf, points=[Point(1)])
    wire = msgspec.json.encode(leaf)
    try:
        leaf.needed = 2
    except AttributeError:
        frozen = True
    return [wire.decode(), str(leaf), leaf.again().first_name, leaf.size, Leaf.limit, frozen,
        msgspec.json.decode(wire, type=Leaf) == leaf, leaf < leaf.again(), Leaf.__doc__, Leaf.make().more is Leaf.make().more,
        Counted(1).number, CountedMore(1).number, Box(3).item, Node(Node()).inner, Colour("red") is Colour.RED,
        Flag.A | Flag.B, Point(2).twice(), Pair(1).second, isinstance(leaf, Base)]

@task
def look(): return [repr(value) for value in seen()]

@task
def give(): return Leaf("one", needed=1, points=[Point(4)])

@task
def know(leaf): return type(leaf) is Leaf and leaf.points[0] == Point(4)

@flow
def kinds():
    look()
    know(give())
'''
WRITE = "\nif __name__ == '__main__':\n    open(sys.argv[1], 'wb').write(content.pack(kinds))\n    print(repr([repr(value) for value in seen()]))\n"
#: Runs it where the script's file is not known, packs it once more, and runs that too, with processes.
READ = """
import sys
from headrace import ProcessExecutor
from headrace.engine import content
flow = content.unpack(open(sys.argv[1], 'rb').read())
again = content.unpack(content.pack(flow))
for one in (flow, again, again.with_options(executor=ProcessExecutor(workers=1))):
    state = one.run()
    assert state.state.name == "Success", state.state
    values = {slug: state.tasks[slug].result for slug in ("look", "know")}
    assert values["know"] is True, values
    print(repr(values["look"]))
"""


def _python(*arguments: str, cwd: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_a_script_defines_is_the_same_where_it_runs(tmp_path: Path) -> None:
    for name in ("there", "here"):
        (tmp_path / name).mkdir()
    script, packed = tmp_path / "there" / "script.py", tmp_path / "content"
    script.write_text(SCRIPT + WRITE)
    expected = _python(str(script), str(packed), cwd=tmp_path / "there")
    found = _python("-c", READ, str(packed), cwd=tmp_path / "here")
    assert found == expected * 3


@pytest.mark.parametrize("option", ["frozen", "dict", "array_like", "omit_defaults", "forbid_unknown_fields"])
def test_a_structs_options_go_along(option: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, msgspec\nfrom headrace.executors import pickling\n"
        f"class Thing(msgspec.Struct, {option}=True):\n    x: int = 1\n"
        "open(sys.argv[1], 'wb').write(pickling.dumps(Thing))\n"
    )
    _python(str(script), str(tmp_path / "kept"), cwd=tmp_path)
    read = (
        "import sys; from headrace.executors import pickling;"
        " thing = pickling.loads(open(sys.argv[1], 'rb').read());"
        f" print(thing.__struct_config__.{option}, thing().x)"
    )
    assert _python("-c", read, str(tmp_path / "kept"), cwd=tmp_path) == ["True 1"]
