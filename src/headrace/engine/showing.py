"""A run's artifacts on their way: to the reporter, to the run around it, or into the run's state."""

import logging
import threading

import msgspec

from headrace import engine
from headrace.core import artifacts as core
from headrace.graph import context, showing
from headrace.wire import artifacts

logger = logging.getLogger("headrace.flow")


class Shown:
    """Takes what the tasks of one run show. `keeps`: for the run's state, where there is no server.

    A run inside a task of another one shows its artifacts there too, as that task's.
    """

    def __init__(self, reporter: engine.Reporter, *, keeps: bool) -> None:
        self._reporter = reporter
        self._keeps = keeps
        self._lock = threading.Lock()
        #: By token: of a progress only what it has come to.
        self._kept: dict[str, artifacts.ArtifactRecord] = {}
        self._tokens: set[str] = set()
        self._count = 0
        self._outer = showing.sink()
        self._around = context.current()

    @property
    def kept(self) -> list[artifacts.ArtifactRecord]:
        with self._lock:
            return list(self._kept.values())

    def take(self, record: artifacts.ArtifactRecord) -> None:
        """From any thread."""
        with self._lock:
            is_new = record.token not in self._tokens
            if is_new:
                if self._count >= core.MOST:
                    self._refuse()
                    return
                self._count += 1
                if record.token:
                    self._tokens.add(record.token)
            if self._keeps:
                self._kept[record.token or str(self._count)] = record
        if self._outer is not None:
            self._outer(self._as_of_outer_task(record))
        elif self._keeps and is_new:
            logger.info("artifact: %s", _words(record))
        self._reporter.artifact(record)

    def _refuse(self) -> None:
        if self._count == core.MOST:
            self._count += 1
            logger.warning("the run has made %d artifacts: those that follow are not kept", core.MOST)

    def _as_of_outer_task(self, record: artifacts.ArtifactRecord) -> artifacts.ArtifactRecord:
        around = self._around
        if not isinstance(around, context.Task):
            return msgspec.structs.replace(record, task=None, map_index=-1, attempt=1)
        return msgspec.structs.replace(
            record, task=around.task_slug, map_index=around.map_index, attempt=around.attempt
        )


def _words(record: artifacts.ArtifactRecord) -> str:
    named = record.key or record.title
    words = f"{record.kind} {named!r}" if named else record.kind
    match record.body:
        case artifacts.Link(url=url):
            return f"{words}: {url}"
        case artifacts.Table(columns=columns, rows=rows):
            return f"{words}: {len(rows)} rows of {', '.join(columns)[:200]}"
        case artifacts.Markdown(text=text):
            return f"{words}: {text.strip().splitlines()[0][:200] if text.strip() else 'empty'}"
        case artifacts.Image(media_type=media_type):
            return f"{words}: {media_type}, {len(record.image)} bytes"
        case artifacts.Progress(share=share, text=text):
            return f"{words}: {'' if share is None else f'{share:.0%} '}{text}".rstrip(": ")
