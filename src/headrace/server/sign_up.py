"""Signing up: whoever the rule lets in asks for a link by mail. The link is an invitation like any other."""

import functools

from headrace import errors, wire
from headrace.server import accounts as people
from headrace.server import invitations, mail, sign_up_rule, tries
from headrace.server.service import Service, handles
from headrace.web.handlers import Call
from headrace.wire import accounts, operations

#: Mails asked for in a window (`tries.WINDOW`), for one address of mail and from one network address.
BY_EMAIL = 3
BY_ADDRESS = 30


@handles(operations.sign_up)
def sign_up(call: Call[Service], request: accounts.SignUp) -> wire.Empty:
    """Looks at nothing that depends on who has an account: that is done when the answer has been given."""
    if not is_open(call):
        raise errors.Forbidden("nobody signs up here: ask an administrator for an invitation")
    email = people.read_email(request.email)
    if sign_up_rule.role_of(call, email) is None:
        raise errors.Forbidden(
            "addresses of this domain cannot sign up here: ask an administrator for an invitation",
            fields={"email": "not of an allowed domain"},
        )
    counted = tries.subjects("sign-up ", call.caller, address=BY_ADDRESS, email=email, of_email=BY_EMAIL)
    tries.refuse_too_many(call, counted)
    tries.count(call, counted)
    mail.after_commit(call, functools.partial(invitations.mail_sign_up, call.service, email))
    return wire.Empty()


def is_open(call: Call[Service]) -> bool:
    """Whether somebody could sign up: the rule lets them, and there is a way to show that an address is theirs."""
    rule = sign_up_rule.read(call)
    return rule.rule != "invitation" and rule.mail
