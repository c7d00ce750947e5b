"""Errors as HTTP says them: the one table from errors.py to problems (RFC 9457)."""

import logging

import msgspec

from headrace import errors, wire
from headrace.web.replies import Reply

log = logging.getLogger(__name__)

_encoder = msgspec.json.Encoder()


def reply(error: Exception, request_id: str) -> Reply:
    """The problem made from an error. What is not ours says nothing but the id under which it is logged."""
    if isinstance(error, errors.HeadraceError):
        problem = wire.Problem(
            title=(type(error).__doc__ or "").strip(),
            status=error.status,
            detail=error.message,
            code=error.code,
            request_id=request_id,
            errors=error.fields,
            facts=error.facts,
        )
    else:
        log.error("request %s failed", request_id, exc_info=error)
        problem = wire.Problem(
            title="Something went wrong in the server.",
            status=500,
            detail=f"the server's log tells what happened, under {request_id}",
            code="error",
            request_id=request_id,
        )
    headers = [(b"content-type", b"application/problem+json")]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if "retry_after" in problem.facts:
        headers.append((b"retry-after", str(problem.facts["retry_after"]).encode()))
    if "allow" in problem.facts:
        headers.append((b"allow", ", ".join(problem.facts["allow"]).encode()))
    return Reply(problem.status, headers, _encoder.encode(problem))
