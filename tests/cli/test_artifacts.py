"""R15 on the command line and in the library: what runs have shown is listed, printed and saved."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lifecycles import Life

from cli_runner import Runner
from headrace import errors
from headrace.client import Client
from headrace.wire import artifacts, operations, runs
from http_client import Http

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def record(body: artifacts.Body, **given: Any) -> artifacts.ArtifactRecord:
    return artifacts.ArtifactRecord(at=NOON, body=body, task="load", **given)


@pytest.fixture
def held(http: Http) -> runs.Assignment:
    """A run that has shown one of each kind."""
    life = Life(http.server)
    held = life.running()
    made = [
        record(artifacts.Markdown("\n# Sales\nand more"), key="report"),
        record(artifacts.Table(["day", "sum"], [["monday", 3], ["tuesday", None]])),
        record(artifacts.Link("https://example.com", "the page")),
        record(artifacts.Image("image/png", "a drawing"), image=PNG),
        record(artifacts.Progress(0.25, "rows"), token="t"),
    ]
    request = artifacts.WriteArtifacts(flow_run_id=held.flow_run_id, fence=held.fence, seq=0, artifacts=made)
    http.server.call(operations.write_artifacts, request, life.by(held))
    return held


def test_R15_they_are_listed_shown_and_saved(held: runs.Assignment, headrace: Runner, tmp_path: Path) -> None:
    listed = headrace("artifacts", "list", held.name)
    assert listed.status == 0, listed.err
    lines = [line.split("\t") for line in listed.out.splitlines()]
    assert [line[:4] for line in lines] == [
        ["progress", "", "25% rows", "load"],
        ["image", "", "a drawing", "load"],
        ["link", "", "the page https://example.com", "load"],
        ["table", "", "2 rows of day, sum", "load"],
        ["markdown", "report v1", "# Sales", "load"],
    ]
    progress, image, link, table, text = (line[-1] for line in lines)
    assert headrace("artifacts", "show", text).out == "\n# Sales\nand more\n"
    assert headrace("artifacts", "show", table).out == "monday\t3\ntuesday\t\n"
    assert headrace("artifacts", "show", link).out == "the page https://example.com\n"
    assert headrace("artifacts", "show", progress).out == "25% rows\n"
    assert "an image of 108 bytes" in headrace("artifacts", "show", image).err
    file = tmp_path / "drawing.png"
    assert headrace("artifacts", "download", image, str(file)).status == 0
    assert file.read_bytes() == PNG
    refused = headrace("artifacts", "download", link, str(tmp_path / "link"))
    assert (refused.status, "has no file" in refused.err, (tmp_path / "link").exists()) == (2, True, False)
    (found,) = json.loads(headrace("artifacts", "list", "sales/daily", "--key", "report", "-o", "json").out)
    assert (found["id"], found["body"]) == (text, {"kind": "markdown", "text": "\n# Sales\nand more"})
    assert len(headrace("artifacts", "list", "sales/daily", "--latest").out.splitlines()) == 1
    assert headrace("artifacts", "list", str(held.flow_run_id), "--task", "extract").out == ""
    wrong = headrace("artifacts", "show", "x")
    assert (wrong.status, wrong.err) == (
        2,
        "headrace: 'x' is not the id of an artifact; `headrace artifacts list RUN` shows them\n",
    )


def test_artifacts_in_the_library(held: runs.Assignment, http: Http) -> None:
    api = Client(http.url, http.token("viewer"))
    flow = api.find_flow("sales/daily")
    found = api.artifacts.latest(flow.id, "report")
    assert (found.version, found.body) == (1, artifacts.Markdown("\n# Sales\nand more"))
    (image,) = api.artifacts.list(flow_run_id=held.flow_run_id, kind="image")
    assert b"".join(api.artifacts.download(image.id)) == PNG
    assert api.artifacts.read(image.id).size == len(PNG)
    with pytest.raises(errors.NotFound, match="with the key 'nothing'"):
        api.artifacts.latest(flow.id, "nothing")
    api.close()
