"""A person at a browser: what they see, and all that the browser complains of."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "test-output"
AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE = 20_000  # milliseconds, on a machine that has much else to do

expect.set_options(timeout=PATIENCE)

Theme = Literal["light", "dark"]


class Visitor:
    """One window. `complaints` are the console's warnings and errors, and what scripts threw."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        context.set_default_timeout(PATIENCE)
        self.context = context
        self.url = url
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._foreseen: list[re.Pattern[str]] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def foresee(self, pattern: str) -> None:
        """The browser says in its console that a request was refused; here it has to be."""
        self._foreseen.append(re.compile(pattern))

    def unforeseen(self) -> list[str]:
        return [
            said for said in self.complaints if not any(pattern.search(said) for pattern in self._foreseen)
        ]

    # --- going and looking ---

    def go(self, path: str) -> "Visitor":
        self.page.goto(path if path.startswith("http") else self.url + path)
        return self

    def heading(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("heading", name=name)

    def sees(self, words: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(words).first).to_be_visible()

    def sees_state(self, type_: str) -> None:
        """The state of the run whose page this is."""
        expect(self.page.locator("h1 [data-state-type]").first).to_have_attribute("data-state-type", type_)

    def button(self, name: str | re.Pattern[str], exact: bool = True) -> Locator:
        return self.page.get_by_role("button", name=name, exact=exact)

    def link(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("link", name=name)

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True)

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("tab", name=name)

    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    @property
    def at(self) -> str:
        """Where this window is: path and query."""
        return self.page.url.removeprefix(self.url)

    # --- judging ---

    def settle(self) -> None:
        """What is on its way has come: no placeholder is left, and fonts and styles stand still."""
        expect(self.page.locator(".animate-skeleton, [aria-busy=true]")).to_have_count(0)
        self.page.evaluate(
            "() => Promise.all([document.fonts.ready, ...document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity)"
            ".map((one) => one.finished.catch(() => undefined))])"
        )

    def rest(self) -> None:
        """The page has asked for nothing for two seconds."""
        seen = -1
        while seen != len(self.requests):
            seen = len(self.requests)
            self.page.wait_for_timeout(2_000)

    def width_overrun(self) -> int:
        """By how many pixels the page, its main part or a dialog is wider than its room. Only boxes that are meant to
        be moved sideways (tables, code, tabs) may hold more.
        """
        return self.page.evaluate(
            "() => Math.max(document.documentElement.scrollWidth - window.innerWidth,"
            " ...[...document.querySelectorAll('body, #main, [role=dialog], [role=dialog] > .overflow-y-auto')]"
            ".map((box) => box.scrollWidth - box.clientWidth))"
        )

    def axe(self, *, colours_only: bool = False) -> list[str]:
        """What axe finds against the page, one line for each element."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text())
        found: list[dict[str, Any]] = self.page.evaluate(
            "async (only) => (await axe.run(document, {resultTypes: ['violations'],"
            " ...(only ? {runOnly: ['color-contrast']} : {rules: {'target-size': {enabled: true}}})})).violations",
            colours_only,
        )
        return [
            f"{violation['id']}: {node['html'][:160]} - {node['failureSummary']}"
            for violation in found
            for node in violation["nodes"]
        ]


#: Opens windows; see the fixture `visit`.
Visit = Callable[..., Visitor]
