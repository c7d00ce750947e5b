"""P1: an invitation's link leads in, once; a link that is not good any more says so."""

import re
from urllib.parse import urlsplit

from place import PASSWORD, Place
from playwright.sync_api import expect
from visitor import Visit


def test_p1_who_is_invited_gives_a_name_and_a_password_and_is_in(place: Place, visit: Visit) -> None:
    invited = place.api.people.invite("grace@example.com", role="viewer")
    link = urlsplit(invited.link)
    visitor = visit(role="anonymous")
    visitor.go(f"{link.path}?{link.query}")
    expect(visitor.field("Email")).to_have_value("grace@example.com")
    visitor.field("Your name").fill("Grace")
    visitor.field("Password").fill(PASSWORD)
    visitor.button("Come in").click()
    expect(visitor.heading("Dashboard")).to_be_visible()
    assert [person.role for person in place.api.people.list() if person.name == "Grace"] == ["viewer"]

    other = visit(role="anonymous")
    other.foresee("401")
    other.go(f"{link.path}?{link.query}")
    expect(other.heading(re.compile("not good any more"))).to_be_visible()
    other.link("Sign in").click()
    expect(other.field("Password")).to_be_visible()


def test_p1_who_may_not_sign_up_is_told_so_and_asked_nothing(visit: Visit) -> None:
    visitor = visit(role="anonymous")
    visitor.go("/sign-up")
    expect(visitor.page.get_by_role("status")).to_contain_text("ask an administrator for an invitation")
    expect(visitor.field("Email")).to_have_count(0)


def test_p1_a_reset_link_that_is_not_good_says_so(visit: Visit) -> None:
    visitor = visit(role="anonymous")
    visitor.foresee("401")
    visitor.go("/reset?token=not-a-token")
    visitor.field("New password").fill(PASSWORD)
    visitor.button(re.compile("password", re.IGNORECASE), exact=False).last.click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    assert visitor.at.startswith("/reset")
