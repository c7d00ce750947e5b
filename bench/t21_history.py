"""T21: T4 and T6 again where the database holds 10,000,000 task runs of history (`--long`; else two million), ÷ an empty one.

Two servers stand side by side, one with history and one without; each question is asked of both in turn, so that what the
machine does meanwhile meets both.
"""

import contextlib
import statistics
import sys
import tempfile
from pathlib import Path

from flows_under_test import latency
from headrace import Client
from history import History
from measure import Row, Stack, report
from postgresql import Database, another, databases
from t04_latency import once
from t06_run_list import Page, questions

TASKS = 100
RUNS = 100_000 if "--long" in sys.argv else 20_000
#: The other one has no task runs, and as many runs as fill the pages that are asked for.
FEW = 10_000
ASKED = ("all", "failed", "project", "flow", "none runs")
REPEATS = 30
SEED = 21
#: No slower than this, as a ratio.
MUST = 1.2


class Side:
    """A server with an agent over a database with some history."""

    def __init__(self, stack: Stack, history: History, folder: Path) -> None:
        self.history, self.folder, self.page = history, folder, Page(stack)
        self.client = Client(server_url=stack.url, api_key=stack.key)
        self.client.create_project("bench")
        latency.register(project="bench", client=self.client)
        for number in range(3):
            self.latency(f"before-{number}")

    def latency(self, name: str) -> float:
        return once(self.client, self.folder, name)


def prepared(database: Database, home: Path, runs: int) -> History:
    home.mkdir()
    history = History.begun(database, home, SEED)
    seconds = history.grow(runs)
    if runs > FEW:
        seconds += history.work_off(TASKS)
        print(f"{runs * TASKS:,} task runs filled in {seconds:.0f} s, {history.size:.1f} GB", flush=True)
    history.settled()
    return history


def measured(database: Database, empty: Database, folder: Path) -> list[Row]:
    histories = [prepared(empty, folder / "empty", FEW), prepared(database, folder / "full", RUNS)]
    with contextlib.ExitStack() as meanwhile:
        sides: list[Side] = []
        for history in histories:
            stack = meanwhile.enter_context(Stack(database_url=history.database.url, home=history.home))
            (history.home / "latency").mkdir()
            sides.append(Side(stack, history, history.home / "latency"))
        lists: dict[str, tuple[list[float], list[float]]] = {}
        asked = [questions(side.history) for side in sides]
        for words in ASKED:
            for side, paths in zip(sides, asked, strict=True):
                side.page.milliseconds(paths[words])
            taken = [
                [side.page.milliseconds(paths[words]) for side, paths in zip(sides, asked, strict=True)]
                for _ in range(REPEATS)
            ]
            lists[words] = ([pair[0] for pair in taken], [pair[1] for pair in taken])
        starts = [[side.latency(f"{number}") for side in sides] for number in range(REPEATS)]
    what = f"{RUNS * TASKS:,} task runs of history ÷ none, {database.name}"
    rows = [ratio("T4", what, [pair[0] for pair in starts], [pair[1] for pair in starts])]
    return rows + [ratio(f"T6 {words}", what, *pair) for words, pair in lists.items()]


def ratio(row: str, what: str, before: list[float], after: list[float]) -> Row:
    """The medians' ratio, as one value: of pairs it would be the noise of two."""
    was, now = statistics.median(before), statistics.median(after)
    made = Row("T21", f"{row}, {what}", "×", [now / was], MUST, 1.0)
    made.notes = f"({was:.3g} → {now:.3g} ms, n {len(before)})"
    return made


def main() -> None:
    with databases() as found:
        for database in found:
            with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
                report(*measured(database, another(database), Path(folder)))


if __name__ == "__main__":
    main()
