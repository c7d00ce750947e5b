"""Back undoes the last thing that was done to what is shown, and never does nothing."""

import re

from place import Place
from playwright.sync_api import expect
from visitor import Visit


def test_back_undoes_one_filter_after_the_other(place: Place, visit: Visit) -> None:
    visitor = visit("/flows")
    visitor.sees("seattle-weather")
    visitor.field("Project").select_option("shop")
    expect(visitor.link(re.compile("^seattle-weather"))).to_have_count(0)
    # typed letter by letter, with pauses, it is one search
    box = visitor.field("Search flows")
    for text in ("t", "ta", "talk"):
        box.fill(text)
        visitor.page.wait_for_url(re.compile(f"search={text}$"))
    expect(visitor.link("printing")).to_have_count(0)
    visitor.page.go_back()
    expect(box).to_have_value("")
    expect(visitor.link("printing").first).to_be_visible()
    expect(visitor.field("Project")).to_have_value("shop")
    visitor.page.go_back()
    expect(visitor.field("Project")).to_have_value("")
    expect(visitor.link(re.compile("^seattle-weather")).first).to_be_visible()
    assert visitor.at == "/flows"


def test_a_search_that_is_emptied_leaves_nothing_behind(place: Place, visit: Visit) -> None:
    visitor = visit("/")
    visitor.sees("Needs a look")
    visitor.link("Flows").first.click()
    box = visitor.field("Search flows")
    box.fill("talk")
    visitor.page.wait_for_url(re.compile("search=talk"))
    box.fill("")
    visitor.page.wait_for_url(re.compile("/flows$"))
    visitor.page.go_back()
    expect(visitor.heading("Dashboard")).to_be_visible()


def test_a_closed_dialog_is_not_come_back_to(place: Place, visit: Visit) -> None:
    visitor = visit("/flows")
    visitor.link("printing").first.click()
    visitor.button("Run").click()
    expect(visitor.dialog()).to_be_visible()
    visitor.page.go_back()
    expect(visitor.dialog()).to_have_count(0)
    assert visitor.at == place.flow_page("shop/printing")
    visitor.button("Run").click()
    visitor.dialog().get_by_role("button", name="Close").click()
    expect(visitor.dialog()).to_have_count(0)
    visitor.page.wait_for_url(re.compile(f"{place.flow_page('shop/printing')}$"))
    visitor.page.go_back()
    expect(visitor.heading("Flows")).to_be_visible()


def test_back_closes_the_card_of_a_task_however_many_were_looked_at(place: Place, visit: Visit) -> None:
    visitor = visit(place.page_of(place.demo, "tasks"))
    cards = visitor.page.get_by_role("complementary", name=re.compile("^Task run"))
    for name in ("read", "check", "draw"):
        visitor.button(name).click()
        expect(cards).to_have_accessible_name(f"Task run {name}")
    visitor.page.go_back()
    expect(cards).to_have_count(0)
    visitor.page.go_forward()
    expect(cards).to_have_accessible_name("Task run draw")
