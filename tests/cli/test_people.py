"""P1 on the command line and in the library: people are invited, changed, and get new passwords."""

import json
from pathlib import Path

import pytest

from cli_runner import Runner
from headrace import errors
from headrace.client import Client
from headrace.server import app
from headrace.settings import Settings
from headrace.testing import Clock as VirtualClock
from headrace.testing import Portal
from headrace.web.database import Database
from headrace.web.service import Service
from http_client import Http
from running import Server


def test_P1_somebody_is_invited_comes_in_and_is_deactivated(http: Http, headrace: Runner) -> None:
    made = headrace("user", "invite", "ada@example.com", "--role", "viewer", "--days", "2")
    assert made.status == 0
    assert "sends no mails: pass it on" in made.err
    token = made.out.strip().removeprefix("http://127.0.0.1:7400/invitation?token=")
    listed = headrace("user", "invitations").out.split("\t")
    assert listed[:3] == ["ada@example.com", "viewer", "administrator"]
    body = {"token": token, "name": "Ada", "password": "correct horse battery"}
    assert http.request("POST", "/api/invitations/accept", body).status == 200
    assert headrace("user", "invitations").out == ""
    assert headrace("user", "role", "ada@example.com", "member").err == "Ada is now member\n"
    assert headrace("user", "deactivate", "ADA@example.com").err == "Ada is deactivated\n"
    rows = [line.split("\t") for line in headrace("user", "list").out.splitlines()]
    assert ["ada@example.com", "Ada", "member", "deactivated"] in [row[:4] for row in rows]
    assert headrace("user", "activate", "ada@example.com").err == "Ada is active\n"
    wrong = headrace("user", "role", "ada@exmple.com", "member")
    assert (wrong.status, "did you mean ada@example.com?" in wrong.err) == (3, True)
    last = headrace("user", "deactivate", "administrator@example.com")
    assert (last.status, "last administrator" in last.err) == (5, True)


def test_an_invitation_is_withdrawn(headrace: Runner) -> None:
    headrace("user", "invite", "ada@example.com")
    assert headrace("user", "withdraw", "ada@example.com").status == 0
    again = headrace("user", "withdraw", "ada@example.com")
    assert (again.status, "no invitation of the address" in again.err) == (3, True)


def test_P1_a_link_sets_a_new_password(http: Http, headrace: Runner) -> None:
    link = headrace("user", "reset", "member@example.com").out.strip()
    token = link.removeprefix("http://127.0.0.1:7400/reset?token=")
    used = http.request("POST", "/api/resets/use", {"token": token, "password": "another good password"})
    assert used.status == 200
    signing_in = {"email": "member@example.com", "password": "another good password"}
    assert http.request("POST", "/api/session", signing_in).json["name"] == "member"


def test_the_rule_of_signing_up_is_set_and_shown(headrace: Runner) -> None:
    assert headrace("user", "sign-up").out == "invitation\t–\tviewer\n"
    made = headrace("user", "sign-up", "domains", "--domain", "example.com", "--role", "member")
    assert made.out == "domains\texample.com\tmember\n"
    assert "sends no mails" in made.err
    assert json.loads(headrace("user", "sign-up", "-o", "json").out)["domains"] == ["example.com"]
    assert headrace("user", "sign-up", "open", "--domain", "no").status == 2


def test_people_in_the_library(http: Http) -> None:
    api = Client(http.url, http.token("administrator"))
    assert api.people.invite("ada@example.com").invitation.role == "member"
    assert [one.email for one in api.people.invitations()] == ["ada@example.com"]
    with pytest.raises(errors.Conflict, match="already"):
        api.people.invite("viewer@example.com")
    assert api.people.set_role("viewer@example.com", "member").role == "member"
    assert "/reset?token=" in api.people.reset("viewer@example.com").link
    member = Client(http.url, http.token("member"))
    with pytest.raises(errors.Forbidden):
        member.people.invite("eve@example.com")
    api.close()
    member.close()


def test_whoever_holds_the_database_has_a_way_back_in(
    sqlite_url: str, tmp_path: Path, portal: Portal, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can sign in, and there is no key: `--on-this-host` needs the database alone."""
    database = Database.open(sqlite_url, clock=clock)

    async def build() -> Service:
        return app.build(Settings(home=tmp_path), database, secret=b"a secret of the tests")

    Server(portal.run(build()), portal, clock)
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    monkeypatch.setenv("HEADRACE_DATABASE_URL", sqlite_url)
    monkeypatch.delenv("HEADRACE_API_KEY", raising=False)
    headrace = Runner()
    in_use = headrace("user", "reset", "member@example.com", "--on-this-host")
    assert (in_use.status, "in use" in in_use.err or "another" in in_use.err) == (2, True), in_use.err
    portal.run(database.close())
    made = headrace("user", "reset", "member@example.com", "--on-this-host")
    assert made.out.startswith("http://127.0.0.1:7400/reset?token="), made.err
    missing = headrace("user", "reset", "nobody@example.com", "--on-this-host")
    assert (missing.status, "nobody@example.com" in missing.err) == (3, True)
