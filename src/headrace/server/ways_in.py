"""What the sign-in page offers besides a password."""

from headrace.server import mail, oidc, sign_up
from headrace.server.service import Service, handles
from headrace.web.handlers import Call
from headrace.wire import accounts, operations


@handles(operations.read_ways_in)
def read_ways_in(call: Call[Service], request: accounts.ReadWaysIn) -> accounts.WaysIn:
    settings = call.service.settings
    return accounts.WaysIn(
        sign_up=sign_up.is_open(call),
        reset_by_mail=mail.is_set(settings),
        provider=oidc.button(settings),
        problem=oidc.SENTENCES.get(request.problem, ""),
    )
