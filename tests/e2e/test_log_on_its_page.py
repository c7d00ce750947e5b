"""The log of a run: found, sorted, followed, linked to, taken away."""

import csv
import io
import json
import re
from urllib.parse import urlencode

import pytest
from place import Place
from playwright.sync_api import Locator, expect
from visitor import Visit, Visitor


def lines(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("log").locator("[data-index]")


def test_search_and_level_and_task_narrow_the_log(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.talk, "logs"))
    visitor.sees("customer 0 came in")
    visitor.field("Search the messages").fill("MILK")
    expect(lines(visitor)).to_have_count(1)
    visitor.sees("low")
    expect(visitor.page.get_by_text("\x1b")).to_have_count(0)
    visitor.field("Search the messages").fill("")
    visitor.field("Lowest level").select_option("40")
    expect(lines(visitor)).to_have_count(1)
    visitor.sees("the oven smokes")
    visitor.field("Lowest level").select_option("0")
    visitor.field("Task").select_option("whisper")
    visitor.sees("a quiet corner")
    expect(visitor.page.get_by_text("the oven smokes")).to_have_count(0)
    visitor.page.reload()
    visitor.sees("a quiet corner")
    expect(visitor.field("Task")).to_have_value("whisper")


def test_the_most_severe_or_the_newest_lines_come_first(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.talk, "logs"))
    visitor.sees("customer 0 came in")
    visitor.field("Order").select_option("-level")
    expect(lines(visitor).first).to_contain_text("the oven smokes")
    expect(lines(visitor).nth(1)).to_contain_text("the milk is low")
    visitor.field("Order").select_option("-time")
    newest = list(place.api.list_logs(place.talk.id))[-1].message
    expect(lines(visitor).first).to_contain_text(newest)


def test_a_link_to_a_line_leads_there(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.talk, "logs"))
    visitor.link(re.compile("^Line 3$")).click()
    visitor.page.wait_for_url(re.compile("line="))
    linked = visit(visitor.at)
    marked = linked.page.locator(".bg-accent-soft[data-index]")
    expect(marked).to_have_count(1)
    expect(marked).to_be_in_viewport()
    expect(marked.get_by_role("link")).to_have_accessible_name("Line 3")


def test_following_shows_lines_as_they_are_written(place: Place, visit: Visit) -> None:
    run = place.opening()
    visitor = visit(place.page_of(run, "logs"))
    expect(visitor.page.get_by_role("switch", name="Follow")).to_be_checked()
    place.bring_the_key(run)
    visitor.sees("the door is open")


@pytest.mark.parametrize("kind", ["Text", "CSV", "NDJSON"])
def test_the_whole_log_is_taken_away(place: Place, visit: Visit, kind: str) -> None:
    visitor = visit(place.page_of(place.talk, "logs"))
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("group", name="Download").get_by_role("link", name=kind).click()
    text = download.value.path().read_text()
    said = [line.message for line in place.api.list_logs(place.talk.id)]
    if kind == "CSV":
        assert [row["message"] for row in csv.DictReader(io.StringIO(text))] == said
    elif kind == "NDJSON":
        assert [json.loads(line)["message"] for line in text.splitlines()] == said
    else:
        assert len(text.splitlines()) == len(said)
        assert all(message in text for message in said)


def test_what_the_filters_leave_is_taken_away(place: Place, visit: Visit) -> None:
    written = list(place.api.list_logs(place.talk.id))
    since, until = written[3].at, written[-3].at
    wanted = [line.message for line in written if line.level >= 20 and since <= line.at < until]
    times = urlencode({"tab": "logs", "level": "20", "since": since.isoformat(), "until": until.isoformat()})
    visitor = visit(f"{place.page_of(place.talk)}?{times}")
    expect(visitor.field("From")).to_be_visible()
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("group", name="Download").get_by_role("link", name="NDJSON").click()
    text = download.value.path().read_text()
    assert 0 < len(wanted) < len(written) - 4
    assert [json.loads(line)["message"] for line in text.splitlines()] == wanted
