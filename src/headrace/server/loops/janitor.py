"""The janitor: forgets what nobody can ask for any more, and what the rules of retention let go."""

import asyncio
from datetime import timedelta

from headrace.server import removal, sessions
from headrace.server.service import Service
from headrace.web import loops


async def run_once(service: Service) -> timedelta | None:
    """One round; at once again while there is more."""
    await service.write(lambda call: sessions.forget_old(call, call.now))
    done = await removal.sweep(service)
    return None if done.complete else timedelta(seconds=1)


async def keep_room(service: Service) -> timedelta | None:
    """Takes the disk's reserve again when there is room; every server for its own file."""
    await asyncio.to_thread(service.database.keep_reserve)
    return None


loop = loops.Loop("janitor", timedelta(hours=1), run_once, leased=True)
room = loops.Loop("room", timedelta(seconds=15), keep_room)
