"""Starting runs, watching them, stopping them."""

import re

from place import Place
from playwright.sync_api import expect
from visitor import Visit


def test_from_the_dashboard_to_a_run_that_is_watched_to_its_end(place: Place, visit: Visit) -> None:
    visitor = visit("/")
    visitor.link("Flows").first.click()
    visitor.link("opening").first.click()
    visitor.button("Run").click()
    visitor.dialog().get_by_label("folder").fill(str(place.keys))
    visitor.dialog().get_by_role("button", name="Run", exact=True).click()
    visitor.page.wait_for_url(re.compile(r"/flow-runs/"))
    visitor.sees_state("Running")
    (run,) = [run for run in place.list_runs("shop") if visitor.at.endswith(str(run.id))]
    loads = visitor.page.evaluate("() => (window.stillHere = true)")
    visitor.tab("Logs").click()
    place.bring_the_key(run)
    visitor.sees_state("Success")
    visitor.sees("the key is here")
    visitor.sees("the door is open")
    assert visitor.page.evaluate("() => window.stillHere") is loads, "the page was never loaded again"


def test_states_come_by_the_live_connection_and_not_by_asking(place: Place, visit: Visit) -> None:
    run = place.opening()
    visitor = visit(place.page_of(run, "tasks"))
    visitor.sees_state("Running")
    visitor.rest()
    before = len(visitor.requests)
    # longer than the pages' own pace of asking where there is no live connection
    visitor.page.wait_for_timeout(6_000)
    assert [url for url in visitor.requests[before:] if str(run.id) in url] == []
    place.bring_the_key(run)
    visitor.sees_state("Success")
    row = visitor.page.get_by_role("row").filter(has_text="sell")
    expect(row.get_by_text("Success")).to_be_visible()


def test_a_wrong_value_is_named_beside_its_field(place: Place, visit: Visit) -> None:
    visitor = visit(place.flow_page("shop/printing"))
    visitor.button("Run").click()
    dialog = visitor.dialog()
    copies = dialog.get_by_label("copies")
    copies.fill("many")
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(copies).to_have_attribute("aria-invalid", "true")
    said = dialog.locator(f"[id='{(copies.get_attribute('aria-describedby') or '').split()[-1]}']")
    expect(said).to_contain_text("number")
    assert visitor.at.startswith("/flows/"), "nothing was started"
    copies.fill("2")
    dialog.get_by_label("Use the default of paper").uncheck()
    dialog.get_by_role("combobox", name="paper").select_option(label="thick")
    dialog.get_by_role("button", name="Run", exact=True).click()
    visitor.page.wait_for_url(re.compile(r"/flow-runs/"))
    visitor.sees_state("Success")
    visitor.sees('"thick"')


def test_what_the_server_refuses_is_named_beside_its_field(place: Place, visit: Visit) -> None:
    visitor = visit(place.flow_page("shop/printing"))
    visitor.foresee("422|400")
    visitor.button("Run").click()
    dialog = visitor.dialog()
    dialog.get_by_label("copies").fill("2")
    labels = dialog.get_by_label("Labels")
    labels.fill("a label, with\ttabs and " + "x" * 300)
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(labels).to_have_attribute("aria-invalid", "true")


def test_a_failed_run_says_what_failed(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.failed))
    visitor.sees_state("Failed")
    visitor.sees(re.compile("the till has 3 coins, not 4"))
    visitor.tab("Tasks").click()
    visitor.page.get_by_role("row").filter(has_text="count_the_till").get_by_role("button").last.click()
    card = visitor.page.get_by_role("complementary", name=re.compile("count_the_till"))
    expect(card).to_contain_text("ValueError")


def test_a_run_that_no_agent_takes_says_which_labels_are_missing(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.unwanted))
    visitor.sees(re.compile("gpu.*berlin|berlin.*gpu"))
    visitor.link("Agents").last.click()
    expect(visitor.heading("Agents")).to_be_visible()


def test_a_running_run_is_cancelled_from_its_page(place: Place, visit: Visit) -> None:
    run = place.opening()
    visitor = visit(place.page_of(run))
    visitor.button("Cancel").click()
    expect(visitor.dialog()).to_contain_text(run.name)
    visitor.dialog().get_by_role("button", name="Keep").click()
    visitor.sees_state("Running")
    visitor.button("Cancel").click()
    visitor.dialog().get_by_role("button", name="Cancel the run").click()
    visitor.sees_state("Cancelled")
    assert place.finished(run).state.name == "Cancelled"


def test_a_running_run_is_cancelled_from_the_palette(place: Place, visit: Visit) -> None:
    run = place.opening()
    visitor = visit("/agents")
    expect(visitor.heading("Agents")).to_be_visible()
    visitor.page.keyboard.press("Control+k")
    visitor.dialog().get_by_role("combobox").fill(run.name)
    visitor.dialog().get_by_role("option", name=f"Cancel {run.name}").click()
    asked = visitor.dialog().filter(has_text=f"Cancel the run {run.name}?")
    asked.get_by_role("button", name="Cancel the run").click()
    visitor.sees_state("Cancelled")
    assert visitor.at == place.page_of(run)


def test_a_paused_run_is_approved_on_its_page(place: Place, visit: Visit) -> None:
    run = place.paused()
    visitor = visit(place.page_of(run))
    visitor.sees_state("Paused")
    visitor.button("Approve").click()
    visitor.sees_state("Success")


def test_a_paused_run_is_approved_on_the_dashboard(place: Place, visit: Visit) -> None:
    run = place.paused()
    visitor = visit("/")
    visitor.button(f"Approve {run.name}").click()
    place.in_state(run, "Success")
    expect(visitor.button(f"Approve {run.name}")).to_have_count(0)


def test_a_run_is_made_again_with_its_parameters(place: Place, visit: Visit) -> None:
    run = place.in_state(place.run("shop/printing", copies=3, title="flyer"), "Success")
    visitor = visit(place.page_of(run))
    visitor.link("Run again").click()
    expect(visitor.dialog().get_by_role("textbox", name="copies")).to_have_value("3")
    expect(visitor.dialog().get_by_role("textbox", name="title")).to_have_value("flyer")


def test_to_run_one_again_that_is_gone_begins_with_the_defaults(place: Place, visit: Visit) -> None:
    visitor = visit()
    visitor.foresee("404")
    visitor.go(f"{place.flow_page('shop/printing')}?run=00000000-0000-7000-8000-000000000000")
    visitor.sees("The earlier run is gone")
    visitor.button("Start from the defaults").click()
    expect(visitor.dialog().get_by_label("copies")).to_be_focused()


def test_a_task_whose_turn_has_not_come_says_so(place: Place, visit: Visit) -> None:
    run = place.opening()
    visitor = visit(f"{place.page_of(run, 'schematic')}&task=sell")
    card = visitor.page.get_by_role("complementary", name="Task run sell")
    expect(card).to_contain_text("It has not been its turn yet.")
    place.bring_the_key(run)
    expect(card).to_contain_text("the door is open")


def test_where_a_run_was_is_said_in_words(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.demo, "infrastructure"))
    visitor.sees("a file on the machine that registered the flow")
    visitor.sees("a process on the agent’s machine")
    expect(visitor.page.locator("main")).not_to_contain_text('{"')
    visitor.button("Copy the SHA-256").click()
    visitor.sees("Copied")
    sha = visitor.page.evaluate("() => navigator.clipboard.readText()")
    assert re.fullmatch("[0-9a-f]{64}", sha)
    expect(visitor.page.get_by_text(sha[:12], exact=True)).to_be_visible()


def test_a_paused_flow_is_called_so_everywhere(place: Place, visit: Visit) -> None:
    visitor = visit(place.flow_page("shop/rendering"))
    paused = visitor.page.get_by_role("switch")
    paused.check()
    visitor.sees("Paused: no run of it starts")
    visitor.go("/flows")
    row = visitor.page.get_by_role("row").filter(has_text="rendering")
    expect(row.get_by_text("Paused", exact=True)).to_be_visible()
    visitor.page.go_back()
    paused.uncheck()
    expect(visitor.page.get_by_text("Paused: no run of it starts")).to_have_count(0)


def test_a_viewer_sees_why_the_buttons_do_nothing(place: Place, visit: Visit) -> None:
    visitor = visit(place.flow_page("shop/talking"), role="viewer")
    run = visitor.button("Run")
    expect(run).to_be_disabled()
    assert "administrator" in (run.get_attribute("title") or "")
    visitor.go(place.page_of(place.unwanted))
    for name in ("Cancel", "Run again"):
        expect(visitor.button(name)).to_be_disabled()
    visitor.go("/flows")
    visitor.sees("talking")
    expect(visitor.link("Run talking")).to_have_count(0)
