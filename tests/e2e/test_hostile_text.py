"""Text that would like to be markup stays text, wherever it comes from."""

import re
from urllib.parse import urlsplit

import by_hand
import pytest
from place import Place
from visitor import Visit, Visitor

from headrace import errors
from headrace.core.states import StateType
from headrace.wire import accounts, flows, operations

#: What each would do where it is taken for markup: ask a host, or set `window.owned`.
CORPUS = (
    '<img src="https://evil.example/img" onerror="window.owned = 1">',
    "<script>window.owned = 1; fetch('https://evil.example/script')</script>",
    '"><svg onload="window.owned = 1">',
    "javascript:window.owned=1",
    "[click](javascript:window.owned=1) ![x](https://evil.example/md)",
    "<a href='javascript:window.owned=1'>click</a>",
    "<iframe srcdoc='<script>parent.owned = 1</script>'></iframe>",
    "{{constructor.constructor('window.owned = 1')()}} ${window.owned = 1}",
    "\x1b]8;;javascript:window.owned=1\x07link\x1b]8;;\x07 \x1b[31m<b onmouseover=window.owned=1>red</b>\x1b[0m",
    "<style>body { background: url(https://evil.example/css) }</style>",
)
ALL = " ".join(CORPUS)

WALK = """() => {
  const found = []
  for (const element of document.querySelectorAll('*')) {
    if (['IFRAME', 'OBJECT', 'EMBED', 'BASE', 'FORM'].includes(element.tagName) && element.tagName !== 'FORM')
      found.push(element.outerHTML.slice(0, 200))
    if (element.tagName === 'SCRIPT' && !element.src) found.push(element.outerHTML.slice(0, 200))
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on')) found.push(`${name}=${value}`)
      if (['href', 'src', 'action', 'formaction', 'srcdoc', 'xlink:href'].includes(name)) {
        const target = new URL(value, location.href)
        if (target.origin !== location.origin && target.protocol !== 'data:') found.push(`${name}=${value}`)
      }
    }
  }
  if ('owned' in window) found.push('a script ran')
  return found
}"""


@pytest.fixture(scope="module")
def hostile(place: Place) -> dict[str, str]:
    """The pages that show the texts."""
    tasks = [
        flows.TaskSpec(slug=f"task-{number}", name=text[:100], description=text, tags=[text[:60]])
        for number, text in enumerate(CORPUS)
    ]
    edges = [
        flows.EdgeSpec(upstream=f"task-{number}", downstream=f"task-{number + 1}", key=CORPUS[number][:60])
        for number in range(len(tasks) - 1)
    ]
    parameters = [
        flows.ParameterSpec(
            name="note",
            required=False,
            default=CORPUS[0],
            schema={"type": "string", "description": CORPUS[1], "title": CORPUS[2]},
            description=ALL,
        )
    ]
    flow = by_hand.register(place, "hostile", tasks, edges=edges, parameters=parameters, description=ALL)
    run = by_hand.HandMadeRun(place, "hostile", note=ALL)
    run.write([*CORPUS, ALL, "\n".join(CORPUS)], task="task-0")
    run.finish(StateType.FAILED, ALL)
    place.api.create_flow_run(flow="by-hand/hostile", parameters={"note": ALL}, run_name=CORPUS[1][:60])
    place.api.call(
        operations.create_user,
        accounts.CreateUser(name=CORPUS[0], email="mallory@shop.example", role="viewer"),
    )
    place.api.call(
        operations.create_service_account, accounts.CreateServiceAccount(name=CORPUS[1][:90], role="agent")
    )
    return {
        "flow": f"/flows/{flow}",
        "flow-schematic": f"/flows/{flow}?tab=schematic&as=text&task=task-0",
        "flow-parameters": f"/flows/{flow}?tab=parameters",
        "run-form": f"/flows/{flow}?run={run.id}",
        "run": f"/flow-runs/{run.id}",
        "run-schematic": f"/flow-runs/{run.id}?tab=schematic&as=text",
        "run-tasks": f"/flow-runs/{run.id}?tab=tasks",
        "run-logs": f"/flow-runs/{run.id}?tab=logs",
        "run-history": f"/flow-runs/{run.id}?tab=history",
        "dashboard": "/?project=by-hand",
        "flows": "/flows?project=by-hand",
        "agents": "/agents",
        "team": "/team",
        "service-accounts": "/team?tab=service-accounts",
        "address": "/flows?search=" + "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
    }


def assert_harmless(visitor: Visitor) -> None:
    assert visitor.page.evaluate(WALK) == []
    hosts = {urlsplit(url).netloc for url in visitor.requests if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {urlsplit(visitor.url).netloc}


def test_hostile_text_makes_no_element_and_no_request(hostile: dict[str, str], visit: Visit) -> None:
    visitor = visit()
    for path in hostile.values():
        visitor.go(path)
        visitor.page.locator("h1").first.wait_for()
        visitor.settle()
        assert_harmless(visitor)


def test_hostile_text_is_shown_as_it_is(hostile: dict[str, str], visit: Visit) -> None:
    visitor = visit(hostile["run-logs"])
    visitor.sees(CORPUS[0])
    visitor.sees(CORPUS[1])
    visitor.go(hostile["run"])
    visitor.sees(re.compile(re.escape(CORPUS[1])))


def test_every_answer_to_the_browser_carries_the_policy(place: Place, visit: Visit) -> None:
    visitor = visit()
    bare: list[str] = []
    answers: list[str] = []

    def look(answer: object) -> None:
        answers.append(answer.url)  # type: ignore[attr-defined]
        if "script-src 'self'" not in answer.headers.get("content-security-policy", ""):  # type: ignore[attr-defined]
            bare.append(answer.url)  # type: ignore[attr-defined]

    visitor.page.on("response", look)
    visitor.go(place.page_of(place.demo, "schematic"))
    visitor.sees_state("Success")
    visitor.settle()
    visitor.go("/nowhere")
    visitor.settle()
    assert len(answers) > 10
    assert bare == []


def test_a_script_in_the_page_is_refused(place: Place, visit: Visit) -> None:
    visitor = visit("/")
    visitor.foresee("Content Security Policy")
    visitor.sees("Needs a look")
    ran = visitor.page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'window.owned = 1';"
        " document.body.append(script); return 'owned' in window }"
    )
    assert not ran


def test_a_project_cannot_be_named_like_markup(place: Place) -> None:
    with pytest.raises(errors.Invalid):
        place.api.create_project("<b>")
