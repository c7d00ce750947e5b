"""Exceptions as text that may leave the process: where and what, without source lines and without locals."""

import functools
import os
import traceback
from pathlib import Path

from headrace import settings

#: The parts of Headrace that stand between a run and the user's function.
_OURS = tuple(f"{Path(__file__).parent.parent / part}{os.sep}" for part in ("engine", "executors", "graph"))


def strip(exception: BaseException) -> str:
    """The exception with its causes, oldest first, as Python prints them, but with neither source lines nor values."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = exception
    link = ""
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        parts.append(_one(current) + link)
        if current.__cause__ is not None:
            link = "\n\nThe above exception was the direct cause of the following exception:\n"
            current = current.__cause__
        elif current.__context__ is not None and not current.__suppress_context__:
            link = "\n\nDuring handling of the above exception, another exception occurred:\n"
            current = current.__context__
        else:
            current = None
    return "\n".join(reversed(parts))


def sentence(exception: BaseException) -> str:
    """“TypeError: …”, in one line; “TypeError” alone where the setting `hide_exception_text` says so."""
    name = type(exception).__qualname__
    if _text_is_hidden():
        return name
    try:
        text = " ".join(str(exception).split())
    except Exception as error:  # noqa: BLE001 - a user's __str__ may raise anything, and the failure must still be told
        text = f"(its text cannot be read: {type(error).__name__})"
    return f"{name}: {text}" if text else name


@functools.cache
def _text_is_hidden() -> bool:
    return settings.load().hide_exception_text


def _one(exception: BaseException) -> str:
    walked = [
        (frame.f_code.co_filename, line, frame.f_code.co_qualname)
        for frame, line in traceback.walk_tb(exception.__traceback__)
    ]
    # how we came to call the user's function helps nobody; where we failed ourselves, it does
    theirs = [each for each in walked if not each[0].startswith(_OURS)] or walked
    frames = [f'  File "{path}", line {line}, in {name}' for path, line, name in theirs]
    head = ["Traceback (most recent call last):", *frames] if frames else []
    lines = [*head, sentence(exception)]
    if isinstance(exception, BaseExceptionGroup):
        for number, inner in enumerate(exception.exceptions, start=1):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]
            lines += [f"  {number}: {line}" for line in strip(inner).splitlines()]  # pyright: ignore[reportUnknownArgumentType]
    return "\n".join(lines)
