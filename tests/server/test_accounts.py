from uuid import uuid4

import pytest

from headrace import errors
from headrace.server import accounts as people
from headrace.server import tables
from headrace.wire import accounts, operations
from running import Server


def add(server: Server, email: str, **fields: str) -> accounts.CreatedUser:
    return server.call(operations.create_user, accounts.CreateUser(name="Ada", email=email, **fields))  # type: ignore[arg-type]


def test_a_new_user_without_a_password_gets_a_link(server: Server) -> None:
    made = add(server, "Ada@Example.com ")
    assert (made.user.email, made.user.role, made.user.has_password) == ("ada@example.com", "member", False)
    token = made.link.removeprefix("http://127.0.0.1:7400/start?token=")
    me = server.call(operations.sign_in, accounts.SignIn(token=token), server.as_.anonymous)
    assert (me.id, me.permissions) == (made.user.id, ["account", "read", "register", "run"])


def test_a_new_user_with_a_password_can_sign_in_with_it(server: Server) -> None:
    made = add(server, "ada@example.com", password="correct horse")
    assert made.link == ""
    me = server.call(
        operations.sign_in,
        accounts.SignIn(email="ADA@example.com", password="correct horse"),
        server.as_.anonymous,
    )
    assert me.id == made.user.id


def test_two_users_cannot_have_one_address(server: Server) -> None:
    add(server, "ada@example.com")
    with pytest.raises(errors.Conflict, match=r"ada@example\.com"):
        add(server, "ADA@example.com")


@pytest.mark.parametrize("email", ["", "ada", "@x", "ada@", "a b@x.y", "a\n@x.y", "a" * 251 + "@x.y"])
def test_an_address_that_is_none_is_refused(sqlite_server: Server, email: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        add(sqlite_server, email)
    assert "email" in refused.value.fields


def test_a_short_password_is_refused_with_the_field(sqlite_server: Server) -> None:
    with pytest.raises(errors.Invalid) as refused:
        add(sqlite_server, "ada@example.com", password="short")
    assert "password" in refused.value.fields


def test_people_are_listed_page_by_page(server: Server) -> None:
    for number in range(5):
        add(server, f"p{number}@example.com")
    found: list[str] = []
    after = None
    while True:
        page = server.call(operations.list_users, accounts.ListUsers(after=after, limit=3))
        found += [user.email for user in page.items]
        after = page.next
        if after is None:
            break
    assert len(found) == len(set(found)) == 8


@pytest.mark.parametrize("change", [{"role": "member"}, {"active": False}])
def test_the_last_administrator_stays(server: Server, change: dict[str, object]) -> None:
    mine = server.as_.administrator.id
    with pytest.raises(errors.Conflict, match="last administrator"):
        server.call(operations.update_user, accounts.UpdateUser(user_id=mine, **change))  # type: ignore[arg-type]
    with pytest.raises(errors.Conflict, match="last administrator"):
        server.call(operations.delete_user, accounts.UserRef(user_id=mine))  # type: ignore[arg-type]
    server.call(
        operations.update_user, accounts.UpdateUser(user_id=server.as_.member.id, role="administrator")
    )  # type: ignore[arg-type]
    server.call(operations.update_user, accounts.UpdateUser(user_id=mine, **change))  # type: ignore[arg-type]


def test_two_administrators_who_demote_each_other_leave_one(server: Server) -> None:
    other = server.as_.member.id
    server.call(operations.update_user, accounts.UpdateUser(user_id=other, role="administrator"))  # type: ignore[arg-type]
    demotions = [
        server.begin(operations.update_user, accounts.UpdateUser(user_id=who, role="viewer"))  # type: ignore[arg-type]
        for who in (other, server.as_.administrator.id)
    ]
    refused = [future.exception(30) for future in demotions]
    assert sorted(error is None for error in refused) == [False, True]
    assert len([row for row in server.rows(tables.users) if row.role == "administrator"]) == 1


def test_a_user_who_is_not_there_is_named(server: Server) -> None:
    nobody = uuid4()
    with pytest.raises(errors.NotFound, match=str(nobody)):
        server.call(operations.update_user, accounts.UpdateUser(user_id=nobody, name="x"))


def test_a_service_account_has_a_name_of_its_own_and_goes_with_its_keys(server: Server) -> None:
    made = server.call(
        operations.create_service_account, accounts.CreateServiceAccount(name="ci", role="registrar")
    )
    assert (made.created_by, made.keys) == ("administrator", 0)
    with pytest.raises(errors.Conflict, match="'ci'"):
        server.call(operations.create_service_account, accounts.CreateServiceAccount(name=" ci "))
    server.call(operations.create_key, accounts.CreateKey(name="k", service_account_id=made.id))
    listed = server.call(operations.list_service_accounts, accounts.ListServiceAccounts()).items
    assert {account.name: account.keys for account in listed} == {"agent": 0, "registrar": 0, "ci": 1}
    server.call(operations.delete_service_account, accounts.ServiceAccountRef(service_account_id=made.id))
    assert [row for row in server.rows(tables.keys) if row.service_account_id == made.id] == []
    with pytest.raises(errors.NotFound):
        server.call(operations.delete_service_account, accounts.ServiceAccountRef(service_account_id=made.id))


def test_the_first_start_makes_an_administrator_and_the_second_nobody(server: Server) -> None:
    for user in ("administrator", "member", "viewer"):
        server.write(
            lambda call, user=user: call.connection.execute(
                tables.users.delete().where(tables.users.c.name == user)
            )
        )
    begun = server.write(people.ensure_first_administrator)
    assert begun is not None
    me = server.call(operations.sign_in, accounts.SignIn(token=begun.token), server.as_.anonymous)
    assert (me.role, me.first_start) == ("administrator", True)
    assert server.write(people.ensure_first_administrator) is None
    assert server.write(people.first_administrator) == begun.user_id


def test_the_local_agent_has_one_account(server: Server) -> None:
    assert server.write(people.ensure_local_agent) == server.write(people.ensure_local_agent)
