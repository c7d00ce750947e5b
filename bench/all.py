"""Runs measurements and writes bench/RESULTS.md: machine, versions, load, n, median, p95, goals, peers beside ours.

`bench/all.py` runs all, `bench/all.py t06 t17` those, `--long` with their full half hours and ten millions. What was
measured is kept in results.jsonl, one row a line; the rows of a script replace those that it left there before, and
RESULTS.md is written from all that is kept.
"""

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
KEPT = HERE / "results.jsonl"
#: Scripts that are told of `--long`.
LONG = ("t19_heartbeats", "t21_history")


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--long"]
    scripts = [path for path in sorted(HERE.glob("t[0-9]*.py")) if not words or _is_meant(path, words)]
    if not scripts:
        sys.exit(f"no script begins with {', '.join(words)}")
    failed = [script.stem for script in scripts if not measured(script)]
    rows = [json.loads(line) for line in KEPT.read_text().splitlines()]
    (HERE / "RESULTS.md").write_text(page(rows, failed))
    print(f"written: {HERE / 'RESULTS.md'}; failed: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed))


def _is_meant(path: Path, words: list[str]) -> bool:
    return any(path.stem.startswith(word.lower()) for word in words)


def measured(script: Path) -> bool:
    """Runs one, and keeps its rows in place of those from before. False when it failed: then those stay."""
    print(f"— {script.name}", flush=True)
    out = Path(tempfile.mkstemp(suffix=".jsonl")[1])
    more = ["--long"] if "--long" in sys.argv and script.stem in LONG else []
    done = subprocess.run(
        [sys.executable, str(script), *more], env={**os.environ, "BENCH_OUT": str(out)}, check=False
    )
    if done.returncode:
        return False
    facts = {
        "script": script.stem,
        "headrace": metadata.version("headrace"),
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    fresh = [json.dumps(json.loads(line) | facts) for line in out.read_text().splitlines()]
    before = KEPT.read_text().splitlines() if KEPT.exists() else []
    others = [line for line in before if json.loads(line)["script"] != script.stem]
    everything = sorted(others + fresh, key=lambda line: json.loads(line)["script"])
    KEPT.write_text("".join(f"{line}\n" for line in everything))
    out.unlink()
    return True


def page(rows: list[dict[str, object]], failed: list[str]) -> str:
    lines = [
        "# Measurements",
        "",
        f"{machine()}. Made by `make bench`; each script in this folder runs alone. Wall times of a shared machine drift: compare",
        "rows of one load and day. Peers are measured in the same run,",
        f"as many times as `n` beside them says: {versions()}. Theirs are on SQLite, one server each;",
        "Prefect's worker asks every second (by default every 15 s), Airflow has its LocalExecutor with four places. All programs have",
        "their bytecode. PostgreSQL is as it comes, with `fsync`. A row without a peer: none has that, or it is not measured here.",
        "A goal is the median's, or where it is marked so the 95th percentile's.",
        "",
        "| Row | What | Median | p95 | Unit | n | Must | Good | Reached | Peers | Load | Of |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for facts in rows:
        load, version, on = facts.pop("load"), facts.pop("headrace"), facts.pop("on")
        del facts["script"]
        row = Row(**facts)  # type: ignore[arg-type]
        peers = row.beside or "–"
        must, good = (f"{goal:g}" if goal is not None else "–" for goal in (row.must, row.good))
        must += " (p95)" if row.at_p95 and row.must is not None else ""
        what = f"{row.what} {row.notes}".strip()
        lines.append(
            f"| {row.row} | {what} | {row.median:.4g} | {row.p95:.4g} | {row.unit} | {len(row.values)} | {must} | {good}"
            f" | {row.reached or '–'} | {peers} | {load:.1f} | {version}, {on} |"
        )
    lines += [""] + [f"Failed: {name}" for name in failed]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
