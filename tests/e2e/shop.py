"""The flows whose runs are looked at. What a run waits for is a file, so that a test says when it goes on."""

import logging
import time
from pathlib import Path
from typing import Literal

from headrace import context, flow, task
from headrace.graph.triggers import manual_only

log = logging.getLogger("shop")


@task
def wait_for_the_key(folder: str) -> str:
    key = Path(folder) / context.run_id
    until = time.monotonic() + 60
    while not key.exists():
        if time.monotonic() > until:
            raise TimeoutError("nobody brought the key")
        time.sleep(0.02)
    log.info("the key is here")
    return "open"


@task
def sell(door: str) -> int:
    log.info("the door is %s", door)
    return 3


@flow(name="opening", description="Waits for a key, then sells.")
def opening(folder: str) -> int:
    return sell(wait_for_the_key(folder))


@task
def count_the_till() -> int:
    raise ValueError("the till has 3 coins, not 4")


@flow(name="closing")
def closing() -> int:
    return sell(count_the_till())


@task
def copy(title: str, copies: int, paper: str) -> str:
    log.info("%d copies of %s on %s paper", copies, title, paper)
    return title * copies


@flow(name="printing")
def printing(copies: int, title: str = "menu", paper: Literal["thin", "thick"] = "thin") -> str:
    return copy(title, copies, paper)


@flow(name="rendering", labels=["gpu", "berlin"])
def rendering() -> int:
    return sell("open")


@flow(name="ordering")
def ordering() -> int:
    approved = copy.with_options(name="check", trigger=manual_only)("order", 1, "thin")
    return sell(approved)


@task
def talk() -> None:
    log.debug("nothing to see")
    for number in range(60):
        log.info("customer %d came in", number)
    log.warning("the milk is \x1b[33mlow\x1b[0m")
    log.error("the oven smokes")


@task
def whisper() -> None:
    log.info("a quiet corner")


@flow(name="talking")
def talking() -> None:
    whisper(upstream=[talk()])
