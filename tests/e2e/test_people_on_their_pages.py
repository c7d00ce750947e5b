"""Keys, people, service accounts and agents."""

import re

import pytest
import urllib3
from place import PASSWORD, Place
from playwright.sync_api import expect
from visitor import Visit, Visitor

from headrace import client, errors
from headrace.wire import accounts, operations


def copied(visitor: Visitor) -> str:
    text: str = visitor.page.evaluate("() => navigator.clipboard.readText()")
    return text


def test_a_key_is_shown_once_and_works_until_it_is_revoked(place: Place, visit: Visit) -> None:
    visitor = visit("/account")
    visitor.button("New key").click()
    visitor.dialog().get_by_label("Name").fill("laptop")
    visitor.dialog().get_by_role("button", name="Make the key").click()
    visitor.dialog().get_by_role("button", name="Copy the key").click()
    visitor.sees("Copied")
    key = copied(visitor)
    visitor.button("I have copied it").click()
    expect(visitor.page.get_by_text(key)).to_have_count(0)
    api = client.Client(place.url, key)
    assert api.find_flow("shop/talking").name == "talking"
    visitor.page.reload()
    row = visitor.page.get_by_role("row").filter(has_text="laptop")
    expect(row).to_be_visible()
    expect(visitor.page.get_by_text(key)).to_have_count(0)
    visitor.button("Revoke laptop").click()
    expect(visitor.dialog()).to_contain_text("Revoke the key laptop?")
    visitor.dialog().get_by_role("button", name="Revoke").click()
    # while a dialog is open, nothing behind it has a role
    expect(visitor.dialog()).to_have_count(0)
    expect(row).to_have_count(0)
    with pytest.raises(errors.HeadraceError):
        api.find_flow("shop/talking")
    api.close()


def test_a_person_is_added_by_a_link_and_given_another_role(place: Place, visit: Visit) -> None:
    visitor = visit("/team")
    visitor.button("Add a person").click()
    visitor.dialog().get_by_label("Name").fill("Edsger")
    visitor.dialog().get_by_label("Email").fill("edsger@shop.example")
    visitor.dialog().get_by_label("Role").select_option("viewer")
    visitor.dialog().get_by_role("button", name="Add").click()
    visitor.dialog().get_by_role("button", name="Copy the link").click()
    visitor.sees("Copied")
    link = copied(visitor)
    visitor.button("I have copied it").click()
    row = visitor.page.get_by_role("row").filter(has_text="edsger@shop.example")
    expect(row).to_contain_text("Viewer")

    edsger = visit(link, role="anonymous")
    edsger.sees("Needs a look")
    edsger.go("/flows")
    edsger.sees("talking")
    expect(edsger.link("Run talking")).to_have_count(0)

    visitor.button("Actions for Edsger").click()
    visitor.page.get_by_role("menuitem", name="Name and role").click()
    visitor.dialog().get_by_label("Role").select_option("member")
    visitor.dialog().get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Member")
    edsger.page.reload()
    expect(edsger.link("Run talking")).to_be_visible()

    visitor.button("Actions for Edsger").click()
    visitor.page.get_by_role("menuitem", name="Remove").click()
    visitor.dialog().get_by_role("button", name="Remove").click()
    expect(visitor.dialog()).to_have_count(0)
    expect(row).to_have_count(0)
    edsger.foresee("401")
    edsger.page.reload()
    expect(edsger.field("Email")).to_be_visible()


def test_a_service_account_is_made_with_a_key_that_can_only_do_its_work(place: Place, visit: Visit) -> None:
    visitor = visit("/team")
    visitor.tab("Service accounts").click()
    visitor.button("New service account").click()
    visitor.dialog().get_by_label("Name").fill("agent-berlin")
    visitor.dialog().get_by_role("button", name="Make").click()
    expect(visitor.heading("agent-berlin")).to_be_visible()
    visitor.dialog().get_by_role("button", name="New key").click()
    asked = visitor.dialog().filter(has_text="New key of agent-berlin")
    asked.get_by_label("Name").fill("first")
    asked.get_by_role("button", name="Make the key").click()
    visitor.button("Copy the key").click()
    visitor.sees("Copied")
    key = copied(visitor)
    visitor.button("I have copied it").click()

    def status(path: str) -> int:
        answer = urllib3.request(
            "GET", place.url + path, headers={"Authorization": f"Bearer {key}"}, retries=False
        )
        return answer.status

    assert status("/api/me") == 200
    assert status("/api/flows") == 403


def test_a_viewer_sees_people_but_changes_none(visit: Visit) -> None:
    visitor = visit("/team", role="viewer")
    visitor.sees("viewer@shop.example")
    expect(visitor.button("Add a person")).to_have_count(0)
    expect(visitor.button(re.compile("^Actions for"))).to_have_count(0)
    expect(visitor.tab("Service accounts")).to_have_count(0)


def test_an_agent_shows_what_it_is_and_what_it_ran(place: Place, visit: Visit) -> None:
    assert place.talk
    visitor = visit("/agents")
    agent = visitor.page.get_by_role("article", name="local")
    expect(agent).to_contain_text("Healthy")
    expect(agent).to_contain_text("talking")
    visitor.field("With the label").fill("zebra")
    visitor.sees("No agent matches")
    visitor.page.reload()
    visitor.sees("No agent matches")
    visitor.field("With the label").fill("")
    visitor.field("Health").select_option("healthy")
    expect(agent).to_be_visible()


def test_a_wrong_password_is_named_beside_its_field(place: Place, visit: Visit) -> None:
    visitor = visit("/account", role="member")
    visitor.foresee("4[0-9][0-9]")
    visitor.field("Current password").fill("not mine")
    visitor.field("New password").fill("a battery of staples")
    visitor.button("Change the password").click()
    expect(visitor.field("Current password")).to_have_attribute("aria-invalid", "true")


def test_who_has_no_password_is_not_asked_for_it(place: Place, visit: Visit) -> None:
    made = place.api.call(
        operations.create_user, accounts.CreateUser(name="Tony", email="tony@shop.example", role="viewer")
    )
    visitor = visit(made.link, role="anonymous")
    visitor.sees("Needs a look")
    visitor.go("/account")
    visitor.sees("You have none yet")
    expect(visitor.field("Current password")).to_have_count(0)
    visitor.field("New password").fill(PASSWORD)
    visitor.button("Set the password").click()
    expect(visitor.field("Current password")).to_be_visible()
    expect(visitor.button("Change the password")).to_be_visible()
