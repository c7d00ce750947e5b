"""Live updates: one WebSocket a browser tab, on which the server says which topics changed.

The tab sends `{"subscribe": [topic, …]}`, the whole set each time; the server sends `{"topic": …}`, once for each new topic
and then whenever it changes, at most ten times a second. The notice says nothing of what changed: reading it needs the right to read, at that time.
"""

import asyncio
import contextlib
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from headrace import wire
from headrace.server import notices
from headrace.web.handlers import Caller
from headrace.wire import accounts

PATH = "/api/live"
#: The shortest time between two notices of one tab.
_PAUSE = 0.1
_MOST_TOPICS = 200
_LONGEST_MESSAGE = 64 * 1024

#: WebSocket close codes: the service restarts; the message made no sense; not (any more) allowed.
_RESTART, _NOT_UNDERSTOOD, _NOT_ALLOWED = 1012, 1003, 4401


class Subscribe(wire.Message, frozen=True):
    """The only message a tab sends."""

    subscribe: list[str]


async def serve(service: Any, caller: Caller, socket: WebSocket) -> None:
    """Speaks with one tab until it goes, the service drains, or its caller may no longer read."""
    if not caller.may(accounts.Permission.READ):
        await socket.close(_NOT_ALLOWED)
        return
    hub = service.part(notices.Notices)
    listener = notices.Listener()
    hearing = asyncio.create_task(_listen(hub, listener, socket))
    telling = asyncio.create_task(_tell(listener, socket))
    draining = asyncio.create_task(service.draining.wait())
    try:
        await asyncio.wait((hearing, telling, draining), return_when=asyncio.FIRST_COMPLETED)
        if draining.done():
            await _close(socket, _RESTART)
        elif hearing.done() and not hearing.result():
            await _close(socket, _NOT_UNDERSTOOD)
    finally:
        hub.forget(listener)
        for task in (hearing, telling, draining):
            task.cancel()
        await asyncio.gather(hearing, telling, draining, return_exceptions=True)


async def _close(socket: WebSocket, code: int) -> None:
    """Closes it; a tab that has gone meanwhile is closed already."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.close(code)


async def _listen(hub: notices.Notices, listener: notices.Listener, socket: WebSocket) -> bool:
    """Takes subscriptions until the tab goes (True) or says something else (False)."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return True
        text = message.get("text") or ""
        if len(text) > _LONGEST_MESSAGE:
            return False
        try:
            wanted = msgspec.json.decode(text, type=Subscribe).subscribe
        except msgspec.DecodeError:
            return False
        hub.listen(listener, wanted[:_MOST_TOPICS])


async def _tell(listener: notices.Listener, socket: WebSocket) -> None:
    while True:
        for topic in sorted(await listener.wait()):
            await socket.send_text(msgspec.json.encode({"topic": topic}).decode())
        await asyncio.sleep(_PAUSE)
