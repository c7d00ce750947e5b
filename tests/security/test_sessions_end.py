"""A session ends when it should, and its cookie is worth nothing from then on."""

from headrace.server import accounts
from http_client import Browser, Http


def alive(browser: Browser) -> bool:
    return browser.request("GET", "/api/users").status == 200


def test_signing_out_ends_the_session_and_no_other(http: Http) -> None:
    browser, second = http.browser(), http.browser()
    answer = browser.request("DELETE", "/api/session")
    assert answer.status == 200
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not alive(browser)
    assert alive(second)


def test_a_session_that_ended_is_anonymous_where_anybody_may_ask(http: Http) -> None:
    browser = http.browser()
    browser.request("DELETE", "/api/session")
    assert browser.request("GET", "/api/me").json["kind"] == "anonymous"


def test_a_new_password_ends_the_other_sessions(http: Http) -> None:
    browser, other = http.browser("member"), http.browser("member")
    assert browser.request("POST", "/api/me/password", {"new": "a long new one"}).status == 200
    assert alive(browser)
    assert not alive(other)


def test_deactivation_ends_sessions_and_keys(http: Http) -> None:
    browser, key = http.browser("member"), http.token("member")
    administrator = http.browser()
    user = f"/api/users/{http.server.as_.member.id}"
    assert administrator.request("PATCH", user, {"active": False}).status == 200
    assert not alive(browser)
    assert http.request("GET", "/api/users", token=key).status == 401
    assert administrator.request("PATCH", user, {"active": True}).status == 200
    assert not alive(browser)


def test_removal_ends_sessions_and_keys(http: Http) -> None:
    browser, key = http.browser("member"), http.token("member")
    assert http.browser().request("DELETE", f"/api/users/{http.server.as_.member.id}").status == 200
    assert not alive(browser)
    assert http.request("GET", "/api/users", token=key).status == 401


def test_a_role_that_shrinks_shrinks_sessions_and_keys_at_once(http: Http) -> None:
    browser, key = http.browser("member"), http.token("member")
    http.browser().request("PATCH", f"/api/users/{http.server.as_.member.id}", {"role": "viewer"})
    assert browser.request("POST", "/api/projects", {"name": "x"}).status == 403
    assert http.request("POST", "/api/projects", {"name": "x"}, token=key).status == 403


def test_a_session_ends_by_itself(http: Http) -> None:
    browser = http.browser()
    http.server.clock.advance(31 * 24 * 3600)
    assert not alive(browser)


def test_a_cookie_given_by_somebody_else_is_never_taken_over(http: Http) -> None:
    """Session fixation: signing in makes a new session, whatever cookie came with the request, and ends the old one."""
    planted = http.browser("viewer")
    token = http.server.write(lambda call: accounts.make_start_link(call, http.server.as_.administrator.id))
    answer = planted.request("POST", "/api/session", {"token": token})
    assert answer.status == 200
    assert answer.headers["set-cookie"].split(";")[0] != planted.cookie
    assert planted.request("GET", "/api/me").json["kind"] == "anonymous"


def test_a_link_signs_in_once(http: Http) -> None:
    token = http.server.write(lambda call: accounts.make_start_link(call, http.server.as_.administrator.id))
    assert http.request("POST", "/api/session", {"token": token}).status == 200
    assert http.request("POST", "/api/session", {"token": token}).status == 401


def test_a_revoked_key_is_refused_at_its_next_call(http: Http) -> None:
    key = http.token("member")
    listed = http.request("GET", "/api/keys", token=key).json["items"]
    assert http.request("DELETE", f"/api/keys/{listed[0]['id']}", token=key).status == 200
    answer = http.request("GET", "/api/keys", token=key)
    assert answer.status == 401
    assert "was revoked" in answer.json["detail"]
