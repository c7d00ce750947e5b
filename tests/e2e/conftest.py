"""One installation and one browser for all tests of the pages; a window of its own for each."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from place import PASSWORD, Place
from playwright.sync_api import Browser, StorageState, sync_playwright
from visitor import OUTPUT, ROOT, Visit, Visitor

from lacking import missing
from stack import make_stack

__all__ = ["make_stack"]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("there is no Chromium on PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The browser comes first: without one there is nothing to start."""
    if not (ROOT / "src/headrace/server/static/index.html").exists():
        missing("the UI is not built: npm run build in ui/")
    place = Place(tmp_path_factory.mktemp("place"))
    try:
        place.start_up()
        yield place
    finally:
        place.close()


@pytest.fixture(scope="session")
def sessions(place: Place, browser: Browser) -> Callable[[str], StorageState | None]:
    """The cookies of somebody with a role, signed in once."""
    made: dict[str, StorageState] = {}

    def signed_in(role: str) -> StorageState | None:
        if role == "anonymous":
            return None
        if role not in made:
            email = place.add_person(role, role)  # type: ignore[arg-type]
            context = browser.new_context()
            answer = context.request.post(
                f"{place.url}/api/session",
                data={"email": email, "password": PASSWORD},
                headers={"Origin": place.url},
            )
            assert answer.ok, answer.text()
            made[role] = context.storage_state()
            context.close()
        return made[role]

    return signed_in


@pytest.fixture
def visit(
    place: Place,
    browser: Browser,
    sessions: Callable[[str], StorageState | None],
    request: pytest.FixtureRequest,
) -> Iterator[Visit]:
    """Opens windows: `visit("/flows", role="viewer", width=400)`. What they complain of fails the test."""
    visitors: list[Visitor] = []

    def open_(path: str = "", *, role: str = "administrator", width: int = 1440, **options: Any) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            storage_state=sessions(role),
            locale="en-GB",
            timezone_id="Europe/Berlin",
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        visitors.append(Visitor(context, place.url))
        return visitors[-1].go(path) if path else visitors[-1]

    yield open_
    failed = getattr(request.node, "failed_call", False)
    for number, visitor in enumerate(visitors):
        if failed:
            folder = OUTPUT / "failures"
            folder.mkdir(parents=True, exist_ok=True)
            visitor.page.screenshot(path=folder / f"{request.node.name[:80].replace('/', '-')}-{number}.png")
        visitor.context.close()
    assert [said for visitor in visitors for said in visitor.unforeseen()] == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call":
        item.failed_call = report.failed  # type: ignore[attr-defined]
    return report
