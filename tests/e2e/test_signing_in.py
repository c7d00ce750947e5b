"""The ways in and out."""

import re
from urllib.parse import unquote

from place import PASSWORD, Place
from playwright.sync_api import expect
from visitor import Visit

import stack as stacks


def test_the_link_of_the_demo_signs_in_and_shows_its_finished_run(place: Place, visit: Visit) -> None:
    visitor = visit(place.link, role="anonymous")
    visitor.sees_state("Success")
    assert visitor.at == place.page_of(place.demo), "the token is gone from the address"
    for tab, shows in {
        "Timeline": "summarise",
        "Schematic": "13 tasks",
        "Tasks": "of 13 tasks",
        "Logs": "365 records of 2014",
        "Infrastructure": "local",
        "History": "Running → Success",
    }.items():
        visitor.tab(tab).click()
        expect(visitor.tab(tab)).to_have_attribute("aria-selected", "true")
        visitor.sees(re.compile(re.escape(shows)))


def test_a_link_works_once_and_says_so(place: Place, visit: Visit) -> None:
    visitor = visit(role="anonymous")
    visitor.foresee("401")
    visitor.go("/start?token=not-a-token&next=/flows")
    visitor.sees("This link did not sign you in")
    visitor.link("Sign in with a password").click()
    expect(visitor.field("Email")).to_be_visible()
    assert unquote(visitor.at) == "/sign-in?next=/flows"


def test_the_first_start_leads_to_the_first_steps(make_stack: stacks.Make, visit: Visit) -> None:
    fresh = make_stack()
    fresh.start_server()
    assert fresh.local is not None
    visitor = visit(fresh.local.start_url, role="anonymous")
    expect(visitor.heading(re.compile("^Welcome"))).to_be_visible()
    visitor.sees("Connect the command line")
    visitor.sees(f"headrace login {fresh.url}")
    visitor.sees("Register a flow of your own")


def test_signing_in_by_password_goes_on_where_one_wanted_to(place: Place, visit: Visit) -> None:
    email = place.add_person("ada", "member")
    visitor = visit(role="anonymous")
    visitor.foresee("401")
    visitor.go(place.page_of(place.demo, "logs"))
    visitor.field("Email").fill(email)
    visitor.field("Password").fill("not this")
    visitor.button("Sign in").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("password")
    visitor.field("Password").fill(PASSWORD)
    visitor.button("Sign in").click()
    visitor.sees_state("Success")
    assert visitor.at == place.page_of(place.demo, "logs")


def test_signing_out_ends_the_session(place: Place, visit: Visit) -> None:
    email = place.add_person("grace", "member")
    visitor = visit(role="anonymous")
    visitor.go("/sign-in")
    visitor.field("Email").fill(email)
    visitor.field("Password").fill(PASSWORD)
    visitor.button("Sign in").click()
    visitor.sees("Needs a look")
    (cookie,) = visitor.context.cookies()
    assert cookie["httpOnly"], "no script reads it"
    assert cookie["sameSite"] in ("Strict", "Lax")
    visitor.button("Your account").click()
    visitor.page.get_by_role("menuitem", name="Sign out").click()
    expect(visitor.field("Email")).to_be_visible()
    # what the cookie was good for, it is no longer
    visitor.context.add_cookies([cookie])
    visitor.go("/flows")
    expect(visitor.field("Email")).to_be_visible()


def test_the_address_after_signing_in_never_leaves_the_site(visit: Visit) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"):
        visitor = visit(role="administrator")
        visitor.go("/sign-in?next=" + elsewhere)
        assert visitor.page.url.startswith(visitor.url)
