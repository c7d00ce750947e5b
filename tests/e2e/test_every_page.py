"""Every page, in both themes, on phones and on a desk: no complaint, no sideways scrolling, nothing axe finds."""

import dataclasses
import os
from collections.abc import Callable

import pytest
from place import Place
from playwright.sync_api import expect
from visitor import AXE, OUTPUT, ROOT, Theme, Visit, Visitor

from lacking import missing


def nothing(visitor: Visitor) -> None:
    """The page is looked at as it comes."""


@dataclasses.dataclass(frozen=True)
class Look:
    """A page and what shows that it is all there."""

    path: str | Callable[[Place], str]
    shows: str
    role: str = "administrator"
    #: What is done on the page before it is looked at.
    act: Callable[[Visitor], None] = nothing
    #: What the browser's console has to say here.
    foreseen: str = ""


def open_palette(visitor: Visitor) -> None:
    visitor.page.keyboard.press("Control+k")
    visitor.dialog().get_by_role("combobox").fill("talk")
    expect(visitor.dialog().get_by_role("option", name="Run talking")).to_be_visible()


def find_nothing_in_the_log(visitor: Visitor) -> None:
    visitor.field("Search the messages").fill("zebra")
    visitor.sees("No line matches")


def press(name: str) -> Callable[[Visitor], None]:
    return lambda visitor: visitor.button(name).first.click()


def run_a_wrong_number(visitor: Visitor) -> None:
    dialog = visitor.dialog()
    dialog.get_by_label("copies").fill("many")
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(dialog.locator("[aria-invalid=true]")).to_have_count(1)


LOOKS = {
    "sign-in": Look("/sign-in", "No password yet?", "anonymous"),
    "start-with-a-used-link": Look(
        "/start?token=used", "This link did not sign you in", "anonymous", foreseen="401"
    ),
    "first-steps": Look("/welcome", "Register a flow of your own"),
    "dashboard": Look("/", "Needs a look"),
    "dashboard-of-an-empty-project": Look("/?project=empty", "No flows in empty yet"),
    "flows": Look("/flows", "talking"),
    "flows-none-found": Look("/flows?search=zebra", "No flow matches"),
    "flow-runs": Look(lambda place: place.flow_page("demo/seattle-weather"), "succeed"),
    "flow-without-runs": Look(lambda place: place.flow_page("shop/printing"), "No runs yet"),
    "flow-schematic": Look(lambda place: place.flow_page("demo/seattle-weather", "schematic"), "13 tasks"),
    "flow-schematic-as-text": Look(
        lambda place: place.flow_page("demo/seattle-weather", "schematic") + "&as=text&task=read",
        "Takes from",
    ),
    "flow-versions": Look(lambda place: place.flow_page("demo/seattle-weather", "versions"), "current"),
    "flow-parameters": Look(lambda place: place.flow_page("shop/printing", "parameters"), "paper"),
    "run-form": Look(
        lambda place: place.flow_page("shop/printing") + "?run=new", "Name of the run", act=run_a_wrong_number
    ),
    "run-timeline": Look(lambda place: place.page_of(place.demo), "Timeline"),
    "run-schematic": Look(lambda place: place.page_of(place.demo, "schematic") + "&task=read", "Last lines"),
    "run-tasks": Look(lambda place: place.page_of(place.demo, "tasks"), "summarise"),
    "run-logs": Look(lambda place: place.page_of(place.talk, "logs"), "customer 0 came in"),
    "run-logs-none-found": Look(
        lambda place: place.page_of(place.talk, "logs"), "customer 0 came in", act=find_nothing_in_the_log
    ),
    "run-infrastructure": Look(lambda place: place.page_of(place.demo, "infrastructure"), "When it is lost"),
    "run-history": Look(lambda place: place.page_of(place.demo, "history"), "Running"),
    "failed-run": Look(lambda place: place.page_of(place.failed), "3 coins"),
    "waiting-run": Look(lambda place: place.page_of(place.unwanted), "gpu"),
    "paused-run": Look(lambda place: place.page_of(place.paused_run), "Approve"),
    "cancel-a-run": Look(lambda place: place.page_of(place.paused_run), "Approve", act=press("Cancel")),
    "re-run": Look(lambda place: place.page_of(place.failed) + "?ask=rerun", "task runs to do"),
    "mark-a-run": Look(lambda place: place.page_of(place.failed) + "?ask=mark", "Mark the run"),
    "further-actions": Look(
        lambda place: place.page_of(place.paused_run), "Approve", act=press("More actions")
    ),
    "agents": Look("/agents", "Last contact"),
    "agents-none-found": Look("/agents?label=zebra", "No agent matches"),
    "account": Look("/account", "API keys"),
    "new-key": Look("/account", "API keys", act=press("New key")),
    "team": Look("/team", "viewer@shop.example"),
    "add-a-person": Look("/team", "People", act=press("Add a person")),
    "service-accounts": Look("/team?tab=service-accounts", "nightly"),
    "keys-of-a-service-account": Look(
        lambda place: f"/team?tab=service-accounts&account={place.service_account}", "API keys"
    ),
    "team-for-a-viewer": Look("/team", "viewer@shop.example", "viewer"),
    "flow-for-a-viewer": Look(lambda place: place.flow_page("shop/talking"), "Labels", "viewer"),
    "palette": Look("/", "Needs a look", act=open_palette),
    "nowhere": Look("/nowhere", "There is nothing at this address"),
    "a-run-that-is-gone": Look(
        "/flow-runs/00000000-0000-7000-8000-000000000000", "There is no such flow run", foreseen="404"
    ),
}
THEMES: tuple[Theme, ...] = ("light", "dark")
#: The narrowest window that has room for every page. Against 400 pixels only the room is other.
NARROWEST = 360


@pytest.fixture(scope="module")
def furnished(place: Place, sessions: Callable[[str], object]) -> Place:
    """With something of everything to look at."""
    if not AXE.exists():
        missing(f"axe-core is not at {AXE}: npm ci in ui/")
    sessions("viewer")
    place.api.create_project("empty")
    for made in (place.failed, place.unwanted, place.talk, place.paused_run, place.service_account):
        assert made
    return place


@pytest.mark.parametrize("width", [400, 1440])
@pytest.mark.parametrize("name", LOOKS)
def test_a_page_is_sound_in_both_themes(furnished: Place, visit: Visit, name: str, width: int) -> None:
    look = LOOKS[name]
    path = look.path if isinstance(look.path, str) else look.path(furnished)
    visitor = visit(role=look.role, width=width, color_scheme="light", reduced_motion="reduce")
    if look.foreseen:
        visitor.foresee(look.foreseen)
    visitor.go(path)
    visitor.sees(look.shows)
    look.act(visitor)
    found: list[str] = []
    # another theme has other colours, and nothing else is other
    for theme in THEMES:
        visitor.page.emulate_media(color_scheme=theme)
        visitor.settle()
        visitor.page.screenshot(path=OUTPUT / "pages" / f"{name}-{width}-{theme}.png")
        found += [f"{theme}: {finding}" for finding in visitor.axe(colours_only=theme == "dark")]
    assert found == []
    assert visitor.width_overrun() <= 0
    if width == 400:
        visitor.page.set_viewport_size({"width": NARROWEST, "height": 900})
        visitor.page.screenshot(path=OUTPUT / "pages" / f"{name}-{NARROWEST}.png")
        assert visitor.width_overrun() <= 0


def test_the_picture_of_the_readme_is_a_run_of_the_sample(place: Place, visit: Visit) -> None:
    page = f"{place.page_of(place.demo)}?tab=schematic"
    visitor = visit(page, color_scheme="light", reduced_motion="reduce")
    visitor.sees_state("Success")
    visitor.settle()
    picture = visitor.page.screenshot()
    if os.environ.get("HEADRACE_WRITE_IMAGES") == "1":
        (ROOT / "docs" / "images").mkdir(parents=True, exist_ok=True)
        (ROOT / "docs" / "images" / "run.png").write_bytes(picture)
    assert (ROOT / "docs" / "images" / "run.png").is_file()
