"""R15 on the server: each artifact once and in order, versions of a key, lists, files, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from lifecycles import Life

from headrace import errors
from headrace.core import artifacts as core
from headrace.core.states import StateType
from headrace.server import artifacts as server_artifacts
from headrace.server import notices, tables
from headrace.wire import artifacts, operations, runs
from http_client import Http
from running import Server

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def text(words: str, **given: Any) -> artifacts.ArtifactRecord:
    return artifacts.ArtifactRecord(at=NOON, body=artifacts.Markdown(words), **given)


def progress(share: float, token: str = "t", **given: Any) -> artifacts.ArtifactRecord:
    return artifacts.ArtifactRecord(at=NOON, body=artifacts.Progress(share), token=token, **given)


def image(data: bytes = PNG, **given: Any) -> artifacts.ArtifactRecord:
    body = artifacts.Image(media_type="text/html", alt="nothing")
    return artifacts.ArtifactRecord(at=NOON, body=body, image=data, **given)


class Scene:
    """A flow whose runs show things."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.life = Life(server)

    def write(
        self, held: runs.Assignment, seq: int, *records: artifacts.ArtifactRecord, fence: int | None = None
    ) -> runs.Written:
        fence = held.fence if fence is None else fence
        request = artifacts.WriteArtifacts(
            flow_run_id=held.flow_run_id, fence=fence, seq=seq, artifacts=list(records)
        )
        return self.server.call(
            operations.write_artifacts, request, self.server.as_.run(held.flow_run_id, fence)
        )

    def shown(self, **given: Any) -> list[artifacts.Artifact]:
        request = artifacts.ListArtifacts(**given)
        return self.server.call(operations.list_artifacts, request, self.server.as_.viewer).items

    def texts(self, **given: Any) -> list[str]:
        return [each.body.text for each in self.shown(**given) if isinstance(each.body, artifacts.Markdown)]


@pytest.fixture
def scene(server: Server) -> Scene:
    return Scene(server)


def test_R15_what_is_shown_is_kept_once_and_in_order(scene: Scene) -> None:
    held = scene.life.running()
    first = text("one", task="extract", key="report", title="Today")
    assert scene.write(held, 0, first, text("two")).next_seq == 2
    assert scene.write(held, 0, first, text("two")).next_seq == 2
    assert scene.write(held, 1, text("two"), text("three", task="load", map_index=4, attempt=2)).next_seq == 3
    run = scene.life.read(held.flow_run_id)
    shown = scene.shown(flow_run_id=run.id, sort="time")
    assert [each.body for each in shown] == [artifacts.Markdown(words) for words in ("one", "two", "three")]
    one = shown[0]
    assert (one.kind, one.key, one.version, one.title, one.task) == (
        "markdown",
        "report",
        1,
        "Today",
        "extract",
    )
    assert (one.flow_run, one.flow, one.project) == (run.name, "daily", "sales")
    assert (shown[2].map_index, shown[2].attempt, shown[2].version) == (4, 2, 0)
    assert scene.texts(flow_run_id=run.id) == ["three", "two", "one"]
    assert scene.texts(flow_run_id=run.id, task="load") == ["three"]
    assert scene.texts(flow_run_id=run.id, kind="table") == []


def test_a_list_is_a_page_after_the_other(scene: Scene) -> None:
    held = scene.life.running()
    scene.write(held, 0, *(text(str(number)) for number in range(5)))
    request = artifacts.ListArtifacts(flow_run_id=held.flow_run_id, limit=2)
    first = scene.server.call(operations.list_artifacts, request)
    again = artifacts.ListArtifacts(flow_run_id=held.flow_run_id, limit=9, after=first.next)
    rest = scene.server.call(operations.list_artifacts, again)
    assert [each.body.text for each in (*first.items, *rest.items)] == ["4", "3", "2", "1", "0"]
    assert rest.next is None
    with pytest.raises(errors.Invalid, match="say of which flow run"):
        scene.shown()
    with pytest.raises(errors.NotFound):
        scene.shown(flow_run_id=UUID(int=1))


def test_a_key_has_versions_over_the_runs_of_its_flow(scene: Scene) -> None:
    one, two = scene.life.running(), scene.life.running()
    scene.write(one, 0, text("a1", key="a"), text("b1", key="b"), text("no key"))
    scene.write(two, 0, text("b2", key="b"), text("a2", key="a"), text("a3", key="a"))
    scene.write(one, 3, text("a4", key="a"))
    flow_id = scene.life.flow.flow_id
    history = scene.shown(flow_id=flow_id, key="a")
    assert [(each.version, each.flow_run_id) for each in history] == [
        (4, one.flow_run_id),
        (3, two.flow_run_id),
        (2, two.flow_run_id),
        (1, one.flow_run_id),
    ]
    assert sorted(scene.texts(flow_id=flow_id, latest=True)) == ["a4", "b2"]
    assert sorted(scene.texts(flow_run_id=two.flow_run_id, latest=True)) == ["a3", "b2"]
    # retention takes the newest away: the one before is the last then, and its number is not given again
    scene.life.finish(one)
    scene.server.write(
        lambda call: call.connection.execute(
            tables.flow_runs.delete().where(tables.flow_runs.c.id == one.flow_run_id)
        )
    )
    assert sorted(scene.texts(flow_id=flow_id, latest=True)) == ["a3", "b2"]
    scene.write(two, 3, text("a5", key="a"))
    assert scene.shown(flow_id=flow_id, key="a")[0].version == 5


def test_a_progress_goes_on_in_its_place(scene: Scene) -> None:
    held = scene.life.running()
    scene.write(held, 0, progress(0.1, key="rows"), text("beside"), progress(0.0, "other"))
    scene.server.clock.advance(timedelta(seconds=9))
    scene.write(held, 3, progress(0.2, key="rows"), progress(0.7, key="rows"))
    shown = scene.shown(flow_run_id=held.flow_run_id, sort="time", kind="progress")
    assert sorted(each.body.share for each in shown) == [0.0, 0.7]  # type: ignore[union-attr]
    went_on = next(each for each in shown if each.key == "rows")
    assert (went_on.version, went_on.updated_at - went_on.created_at) == (1, timedelta(seconds=9))
    # the same token in another run is another's
    other = scene.life.running()
    scene.write(other, 0, progress(1.0, key="rows"))
    assert {each.body.share for each in scene.shown(flow_run_id=held.flow_run_id, kind="progress")} == {
        0.0,
        0.7,
    }  # type: ignore[union-attr]


def test_who_was_superseded_shows_nothing(scene: Scene) -> None:
    held = scene.life.running()
    scene.life.finish(held)
    assert scene.write(held, 0, text("late")).next_seq == 1  # as a late line of its log is kept
    with pytest.raises(errors.Superseded):
        scene.write(held, 1, text("too late"), fence=held.fence - 1)
    request = artifacts.WriteArtifacts(
        flow_run_id=held.flow_run_id, fence=held.fence, seq=1, artifacts=[text("not mine")]
    )
    with pytest.raises(errors.Forbidden):
        scene.server.call(operations.write_artifacts, request, scene.server.as_.run(UUID(int=1), 1))
    assert scene.texts(flow_run_id=held.flow_run_id) == ["late"]


def test_a_cancel_is_heard_with_the_answer_and_a_gap_ends_no_run(scene: Scene) -> None:
    held = scene.life.running()
    scene.life.cancel(held.flow_run_id)
    answer = scene.write(held, 7, text("after a gap"))
    assert (answer.next_seq, answer.orders.cancel) == (8, True)
    assert scene.texts(flow_run_id=held.flow_run_id) == ["after a gap"]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (artifacts.ArtifactRecord(at=NOON, body=artifacts.Link("javascript:alert(1)")), "http or https"),
        (image(b"<svg onload=alert(1)>"), "PNG, JPEG, GIF or WebP"),
        (image(PNG + bytes(core.IMAGE_BYTES)), "at most"),
        (artifacts.ArtifactRecord(at=NOON, body=artifacts.Progress(0.5)), "a token"),
        (artifacts.ArtifactRecord(at=NOON, body=artifacts.Table(["a"], [[1, 2]])), "as many cells"),
        (text("x" * (core.TABLE_BYTES + 1)), "at most|more than"),
        (text("x", key="a\nb"), "key"),
    ],
)
def test_what_no_run_process_of_ours_sends_is_refused(
    sqlite_server: Server, record: artifacts.ArtifactRecord, words: str
) -> None:
    scene = Scene(sqlite_server)
    held = scene.life.running()
    with pytest.raises(errors.Invalid, match=words):
        scene.write(held, 0, text("fine"), record)
    assert scene.shown(flow_run_id=held.flow_run_id) == []


def test_more_than_a_run_may_show_is_passed_over(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(sqlite_server)
    held = scene.life.running()
    monkeypatch.setattr(core, "MOST", 3)
    scene.write(held, 0, text("1"), text("2"), progress(0.1))
    assert scene.write(held, 3, text("4"), progress(0.9)).next_seq == 5
    shown = scene.shown(flow_run_id=held.flow_run_id, sort="time")
    assert [each.body for each in shown] == [
        artifacts.Markdown("1"),
        artifacts.Markdown("2"),
        artifacts.Progress(0.9),
    ]


def test_a_long_body_is_read_alone(scene: Scene) -> None:
    held = scene.life.running()
    long = "x" * (server_artifacts.SHOWN_BYTES + 1)
    scene.write(held, 0, text(long), image())
    picture, found = scene.shown(flow_run_id=held.flow_run_id)
    assert (found.body, found.size > len(long)) == (None, True)
    assert (picture.body, picture.size) == (artifacts.Image("image/png", "nothing"), len(PNG))
    whole = scene.server.call(operations.read_artifact, artifacts.ArtifactRef(artifact_id=found.id))
    assert whole.body == artifacts.Markdown(long)
    with pytest.raises(errors.NotFound):
        scene.server.call(operations.read_artifact, artifacts.ArtifactRef(artifact_id=UUID(int=1)))


def test_its_page_hears_of_it_at_once(sqlite_server: Server) -> None:
    scene = Scene(sqlite_server)
    held = scene.life.running()
    listener = notices.Listener()
    topic = f"artifacts:{held.flow_run_id}"

    async def listen() -> None:
        sqlite_server.service.part(notices.Notices).listen(listener, [topic])
        await listener.wait()

    sqlite_server.run(listen())
    scene.write(held, 0, progress(0.1))
    assert sqlite_server.run(listener.wait()) == {topic}


def test_what_a_run_showed_goes_with_the_run(scene: Scene) -> None:
    held = scene.life.running()
    scene.write(held, 0, text("one", key="a"), image())
    scene.life.finish(held, StateType.SUCCESS)
    scene.server.write(lambda call: call.connection.execute(tables.flow_runs.delete()))
    assert scene.server.rows(tables.artifacts) == []
    assert scene.server.rows(tables.artifact_images) == []


def test_files_are_saved_and_never_opened(http: Http) -> None:
    scene = Scene(http.server)
    held = scene.life.running()
    rows: list[list[artifacts.Cell]] = [["=1+1", -2], ['"a",b', None]]
    scene.write(
        held,
        0,
        text("# Sales", key="report"),
        image(title="A <drawing>"),
        artifacts.ArtifactRecord(at=NOON, body=artifacts.Table(["name", "sum"], rows)),
        artifacts.ArtifactRecord(at=NOON, body=artifacts.Link("https://example.com")),
    )
    shown = scene.shown(flow_run_id=held.flow_run_id, sort="time")
    answers = [
        http.request("GET", f"/api/artifacts/{each.id}/download", token=http.token("viewer"))
        for each in shown
    ]
    assert [answer.status for answer in answers] == [200, 200, 200, 422]
    for answer in answers[:3]:
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert [answer.headers["Content-Type"] for answer in answers[:3]] == [
        "text/markdown; charset=utf-8",
        "image/png",
        "text/csv; charset=utf-8",
    ]
    assert (answers[0].body, answers[1].body) == (b"# Sales", PNG)
    assert answers[2].body.decode() == 'name,sum\r\n\'=1+1,-2\r\n"""a"",b",\r\n'
    assert "a link has no file" in answers[3].json["detail"]
    run_token = http.token("run")
    assert http.request("GET", f"/api/artifacts/{shown[0].id}", token=run_token).status == 403
    assert http.request("GET", f"/api/artifacts/{shown[0].id}").status == 401


def test_a_full_disk_holds_up_nothing(sqlite_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(sqlite_server)
    held = scene.life.running()
    monkeypatch.setattr(type(sqlite_server.service.database), "short_of_room", property(lambda self: True))
    assert scene.write(held, 0, text("one")).next_seq == 1
    assert scene.shown(flow_run_id=held.flow_run_id) == []
