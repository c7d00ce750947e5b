"""R9, R10: what people do with a run that is there: re-run, pause, reject, mark, delete."""

import re

from place import Place
from playwright.sync_api import expect
from visitor import Visit, Visitor


def more(visitor: Visitor, action: str) -> None:
    visitor.button("More actions").click()
    visitor.page.get_by_role("menuitem", name=action).click()


def test_a_failed_run_is_run_again_from_where_it_failed(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.failed))
    visitor.button("Re-run").click()
    dialog = visitor.dialog()
    expect(dialog.get_by_role("status")).to_contain_text("2 task runs to do")
    expect(dialog.get_by_role("row").filter(has_text="count_the_till")).to_contain_text("it did not succeed")
    dialog.get_by_role("button", name="Re-run").click()
    visitor.page.wait_for_url(lambda url: "/flow-runs/" in url and str(place.failed.id) not in url)
    visitor.sees_state("Failed")
    visitor.link("an earlier run").click()
    visitor.page.wait_for_url(re.compile(str(place.failed.id)))


def test_a_run_is_run_again_from_a_chosen_task(place: Place, visit: Visit) -> None:
    run = place.opening()
    place.bring_the_key(run)
    place.in_state(run, "Success")
    visitor = visit(place.page_of(run, "tasks") + "&task=sell")
    visitor.link("Re-run from here").click()
    dialog = visitor.dialog()
    expect(dialog.get_by_role("status")).to_contain_text("1 task run to do, 1 result taken over")
    dialog.get_by_label("Run anew").select_option(label="Everything")
    expect(dialog.get_by_role("status")).to_contain_text("2 task runs to do, 0 results taken over")
    dialog.get_by_label("Run anew").select_option(label="From sell")
    expect(dialog.get_by_role("status")).to_contain_text("1 task run to do")
    dialog.get_by_role("button", name="Re-run").click()
    visitor.page.wait_for_url(lambda url: "/flow-runs/" in url and str(run.id) not in url)
    visitor.sees_state("Success")
    visitor.tab("Tasks").click()
    expect(visitor.page.get_by_role("row").filter(has_text="wait_for_the_key")).to_contain_text("Cached")


def test_back_leaves_the_dialog_of_a_re_run(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.failed))
    visitor.button("Re-run").click()
    expect(visitor.dialog()).to_be_visible()
    visitor.page.go_back()
    expect(visitor.dialog()).to_have_count(0)
    visitor.sees_state("Failed")


def test_a_running_run_is_paused_and_approved(place: Place, visit: Visit) -> None:
    run = place.opening()
    visitor = visit(place.page_of(run))
    visitor.sees_state("Running")
    more(visitor, "Pause")
    visitor.dialog().get_by_label("Comment").fill("the milk is late")
    visitor.dialog().get_by_role("button", name="Pause the run").click()
    expect(visitor.dialog()).to_have_count(0)
    place.bring_the_key(run)
    visitor.sees_state("Paused")
    visitor.sees("the milk is late")
    visitor.button("Approve").click()
    visitor.sees_state("Success")


def test_a_paused_run_is_rejected(place: Place, visit: Visit) -> None:
    run = place.paused()
    visitor = visit(place.page_of(run))
    more(visitor, "Reject")
    visitor.dialog().get_by_label("Comment").fill("not today")
    visitor.dialog().get_by_role("button", name="Reject").click()
    visitor.sees_state("Cancelled")
    visitor.sees("not today")


def test_a_run_is_marked_with_a_reason_and_keeps_its_state(place: Place, visit: Visit) -> None:
    run = place.in_state(place.run("shop/closing"), "Failed")
    visitor = visit(place.page_of(run))
    more(visitor, "Mark as …")
    visitor.dialog().get_by_role("button", name="Mark the run").click()
    expect(visitor.dialog(), "it wants a reason").to_be_visible()
    visitor.dialog().get_by_label("Reason").fill("counted by hand")
    visitor.dialog().get_by_role("button", name="Mark the run").click()
    visitor.sees("Marked as Success")
    visitor.sees("counted by hand")
    visitor.sees_state("Failed")


def test_a_finished_run_is_deleted(place: Place, visit: Visit) -> None:
    run = place.in_state(place.run("shop/closing"), "Failed")
    visitor = visit(place.page_of(run))
    more(visitor, "Delete")
    visitor.dialog().get_by_role("button", name="Delete the run").click()
    visitor.page.wait_for_url(re.compile(r"/flows/"))
    assert run.id not in {one.id for one in place.list_runs("shop")}


def test_who_may_only_look_is_offered_nothing_to_do(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.failed) + "?ask=rerun", role="viewer")
    expect(visitor.button("Re-run")).to_be_disabled()
    expect(visitor.dialog()).to_have_count(0)
    expect(visitor.button("More actions")).to_have_count(0)
