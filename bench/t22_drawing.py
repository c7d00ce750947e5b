"""T22: the schematic of a flow of 5,000 tasks, from the click on its tab to its first picture, in a real browser."""

import json
import shutil
import sys
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, StorageState, sync_playwright

from flows_under_test import wide
from headrace import Client
from measure import Row, Stack, report

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 5

#: Clicks, and answers with the seconds until the browser has painted what the canvas shows.
DRAWN = """() => new Promise((done) => {
  const started = performance.now()
  const look = () => {
    if (document.querySelector('canvas') === null) requestAnimationFrame(look)
    else requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - started) / 1000)))
  }
  document.querySelectorAll('[role=tab]')[1].click()
  look()
})"""


def signed_in(browser: Browser, stack: Stack) -> StorageState:
    """By the link of the first start."""
    link = json.loads((stack.home / "local.json").read_text())["start_url"]
    context = browser.new_context()
    answer = context.request.post(
        f"{stack.url}/api/session",
        data={"token": parse_qs(urlsplit(link).query)["token"][0]},
        headers={"Origin": stack.url},
    )
    if not answer.ok:
        raise RuntimeError(answer.text())
    return context.storage_state()


def drawn(browser: Browser, session: StorageState, url: str) -> float:
    """A window of its own for each: nothing is kept from the one before but the browser's own code cache."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, storage_state=session)
    page = context.new_page()
    page.goto(url)
    page.get_by_role("tab", name="Schematic").wait_for()
    seconds: float = page.evaluate(DRAWN)
    context.close()
    return seconds


if __name__ == "__main__":
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("T22: there is no Chromium on PATH; its drawing is not measured")
        sys.exit(0)
    with Stack(agent=False) as stack, sync_playwright() as playwright:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("bench")
        flow = wide(5000)
        flow.register(project="bench")
        page_of_flow = f"{stack.url}/flows/{client.find_flow(f'bench/{flow.name}').id}"
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        session = signed_in(browser, stack)
        drawn(browser, session, page_of_flow)
        seconds = [drawn(browser, session, page_of_flow) for _ in range(REPEATS)]
        browser.close()
        report(Row("T22", "flow of 5,000 tasks, first drawing of its schematic", "s", seconds, 1, None))
