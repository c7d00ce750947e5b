"""What is around every page: the palette, the addresses, the theme."""

import re

import pytest
from place import Place
from playwright.sync_api import expect
from visitor import Visit


def test_the_palette_finds_pages_flows_runs_and_actions(place: Place, visit: Visit) -> None:
    visitor = visit("/")
    visitor.sees("Needs a look")

    def find(text: str, option: str) -> None:
        visitor.page.keyboard.press("Control+k")
        visitor.dialog().get_by_role("combobox").fill(text)
        expect(visitor.dialog().get_by_role("option", name=re.compile(option)).first).to_be_visible()

    find("agen", "^Agents")
    visitor.page.keyboard.press("Enter")
    expect(visitor.heading("Agents")).to_be_visible()
    find("talk", "^talking")
    visitor.page.keyboard.press("Enter")
    expect(visitor.heading(re.compile("talking"))).to_be_visible()
    find(str(place.demo.id), place.demo.name + "|^Run ")
    visitor.page.keyboard.press("Enter")
    visitor.sees_state("Success")
    find("printing", "^Run printing")
    visitor.dialog().get_by_role("option", name="Run printing").click()
    expect(visitor.dialog().get_by_label("copies")).to_be_visible()


def test_an_address_shows_the_same_again(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.demo))
    visitor.tab("Tasks").click()
    visitor.field("Find a task").fill("dr")
    visitor.sees(re.compile("1 of 13 tasks"))
    visitor.page.get_by_role("row").filter(has_text="draw").get_by_role("button").last.click()
    card = visitor.page.get_by_role("complementary", name="Task run draw")
    expect(card).to_be_visible()
    expect(visitor.page).to_have_url(re.compile("task=draw"))
    visitor.page.reload()
    expect(card).to_be_visible()
    visitor.sees(re.compile("1 of 13 tasks"))
    visitor.tab("Logs").click()
    visitor.sees("365 records of 2014")
    visitor.page.go_back()
    expect(visitor.tab("Tasks")).to_have_attribute("aria-selected", "true")


def test_an_unknown_address_is_said_to_be_one(visit: Visit) -> None:
    visitor = visit("/no/such/page")
    visitor.sees("There is nothing at this address")
    visitor.link("Go to the dashboard").click()
    visitor.sees("Needs a look")


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/flows/00000000-0000-7000-8000-000000000000", "flow"),
        ("/flows/not-an-id", "flow"),
        ("/flow-runs/00000000-0000-7000-8000-000000000000", "flow run"),
    ],
)
def test_what_is_not_there_is_said_not_to_be(visit: Visit, path: str, what: str) -> None:
    visitor = visit()
    visitor.foresee("404")
    visitor.go(path)
    visitor.sees(f"There is no such {what}")
    expect(visitor.button("Try again")).to_have_count(0)
    visitor.link("All flows").click()
    expect(visitor.heading("Flows")).to_be_visible()


def test_a_run_says_where_it_belongs(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.demo))
    pages = visitor.page.get_by_role("navigation", name="Pages", exact=True)
    expect(pages.get_by_role("link", name="Flows")).to_have_attribute("aria-current", "page")
    above = visitor.page.get_by_role("navigation", name="Above this page")
    above.get_by_role("link", name="seattle-weather").click()
    expect(visitor.heading(re.compile("^seattle-weather"))).to_be_visible()


def test_a_theme_is_kept_in_this_browser(visit: Visit) -> None:
    visitor = visit("/account", color_scheme="light")
    visitor.sees("API keys")
    visitor.page.get_by_role("button", name="Dark").last.click()
    ground = "() => getComputedStyle(document.body).backgroundColor"
    dark = visitor.page.evaluate(ground)
    visitor.page.reload()
    visitor.sees("API keys")
    assert visitor.page.evaluate(ground) == dark
    visitor.page.get_by_role("button", name="Light").last.click()
    assert visitor.page.evaluate(ground) != dark
