"""Runs every measurement and writes bench/RESULTS.md: machine, versions, load, n, median, p95, goals, peers beside ours."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from measure import Row, machine
from peers import versions

HERE = Path(__file__).parent


def main() -> None:
    scripts = sorted(HERE.glob("t[0-9]*.py"))
    out = Path(tempfile.mkstemp(suffix=".jsonl")[1])
    failed = []
    for script in scripts:
        print(f"— {script.name}", flush=True)
        done = subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "BENCH_OUT": str(out), "PYTHONPATH": str(HERE)},
            check=False,
        )
        if done.returncode:
            failed.append(script.name)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    (HERE / "RESULTS.md").write_text(page(rows, failed))
    print(f"written: {HERE / 'RESULTS.md'}; failed: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed))


def page(rows: list[dict[str, object]], failed: list[str]) -> str:
    lines = [
        "# Measurements",
        "",
        f"{machine()}; headrace {metadata.version('headrace')}; {datetime.now(UTC):%Y-%m-%d}. Made by `make bench`; each script in this",
        "folder runs alone. Wall times of a shared machine drift: compare rows of one run. Peers are measured in the same run,",
        f"as many times as `n` beside them says: {versions()}. Theirs are on SQLite, one server each;",
        "Prefect's worker asks every second (by default every 15 s), Airflow has its LocalExecutor with four places. All programs have",
        "their bytecode. PostgreSQL is as it comes, with `fsync`. A row without a peer: none has that, or it is not measured here.",
        "",
        "| Row | What | Median | p95 | Unit | n | Must | Good | Reached | Peers | Load |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for facts in rows:
        load = facts.pop("load")
        row = Row(**facts)  # type: ignore[arg-type]
        peers = row.beside or "–"
        goals = [f"{goal:g}" if goal is not None else "–" for goal in (row.must, row.good)]
        what = f"{row.what} {row.notes}".strip()
        lines.append(
            f"| {row.row} | {what} | {row.median:.4g} | {row.p95:.4g} | {row.unit} | {len(row.values)} | {goals[0]} | {goals[1]} | {row.reached or '–'} | {peers} | {load:.1f} |"
        )
    lines += [""] + [f"Failed: {name}" for name in failed]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
