"""The adapter against a server that speaks HTTP as an API server does, troubles included."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field
from tests.fakes.apiserver import (
    FakeApiServer,
    answers,
    breaks_off_after,
    falls_silent_after,
    line,
    says,
)

from v4operator.adapters import kube
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_access import access
from v4operator.adapters.kube_errors import (
    Forbidden,
    Gone,
    KubeConflict,
    NotFound,
    Rejected,
    TooMany,
    Unavailable,
)
from v4operator.adapters.kube_events import EventType, KubeEvents, Regarding
from v4operator.adapters.kube_lease import KubeLease
from v4operator.adapters.kube_request import Kind
from v4operator.adapters.kube_resource import KubeResource
from v4operator.adapters.kube_views import ObjectMeta, ObjectView
from v4operator.runtime.clock import SystemClock
from v4operator.runtime.ports import (
    Bookmark,
    Changed,
    Conflict,
    Deleted,
    LeaseRecord,
    ObjectKey,
    Unreadable,
)
from v4operator.runtime.reflector import Reflector, ReflectorLimits
from v4operator.runtime.store import Store
from v4operator.runtime.waiting import ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.fakes.apiserver import Trouble

_MAPS = "/api/v1/namespaces/ns/configmaps"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/ns/deployments"
_KEY = ObjectKey("ns", "a")


class _Map(ObjectView):
    data: dict[str, int] = Field(default_factory=dict)


class _Meta(ObjectMeta):
    resource_version: str


class _Counted:
    """Requests by method and status."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()

    def seen(self, method: str, code: str) -> None:
        self.requests[method, code] += 1


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as made:
        yield made


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("good\n")
    return path


@pytest.fixture
def kubeconfig(server: FakeApiServer, token_file: Path) -> Path:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"tokenFile": str(token_file)}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = token_file.with_name("kubeconfig")
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def counted() -> _Counted:
    return _Counted()


@pytest.fixture
async def api(kubeconfig: Path, counted: _Counted) -> AsyncIterator[KubeApi]:
    async with KubeApi(await access(SystemClock(), kubeconfig=kubeconfig), counted) as made:
        yield made


@pytest.fixture
def maps(api: KubeApi) -> KubeResource[_Map]:
    return KubeResource(
        api, Kind(group="", version="v1", plural="configmaps"), _Map, namespace="ns"
    )


@pytest.fixture
def deployments(api: KubeApi) -> KubeResource[ObjectView]:
    kind = Kind(group="apps", version="v1", plural="deployments")
    return KubeResource(api, kind, ObjectView, namespace="ns")


def _map(name: str, **data: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns"}, "data": data}


def _write(path: Path, text: str | None) -> None:
    """Replace a file; `None` takes it away."""
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)


async def _watched(
    maps: KubeResource[_Map], version: str, count: int, *, silence_seconds: float = 60.0
) -> list[Changed[_Map] | Deleted | Unreadable | Bookmark]:
    """The first events after a version."""
    events = []
    watch = maps.watch(version, seconds=300.0, silence_seconds=silence_seconds)
    async for event in watch:
        events.append(event)
        if len(events) == count:
            break
    await watch.aclose()
    return events


async def test_a_list_comes_in_pages(server: FakeApiServer, maps: KubeResource[_Map]) -> None:
    for name in "abcde":
        await server.put(_MAPS, _map(name, x=1))
    names, more = [], None
    for _ in range(3):
        page = await maps.list(limit=2, more=more)
        names.append([each.key.name for each in page.objects])
        more = page.more
    assert names == [["a", "b"], ["c", "d"], ["e"]]
    assert (more, page.version) == (None, "105")
    assert page.objects[0] == Changed(
        key=ObjectKey("ns", "e"),
        view=_Map(metadata=ObjectMeta(name="e", namespace="ns"), data={"x": 1}),
        version="105",
    )
    assert [asked.query.get("continue") for asked in server.asked] == [None, "2:105", "4:105"]


async def test_a_watch_tells_what_happens_and_asks_for_bookmarks(
    server: FakeApiServer, maps: KubeResource[_Map]
) -> None:
    await server.put(_MAPS, _map("a", x=1))
    await server.put(_MAPS, _map("a", x="no number"))
    await server.drop(_MAPS, "a")
    await server.bookmark(_MAPS)
    events = await _watched(maps, "100", 4)
    view = _Map(metadata=ObjectMeta(name="a", namespace="ns"), data={"x": 1})
    reason = "object.data.x: Input should be a valid integer, unable to parse string as an integer"
    assert events == [
        Changed(key=_KEY, view=view, version="101"),
        Unreadable(key=_KEY, reason=reason, version="102"),
        Deleted(key=_KEY, version="103"),
        Bookmark(version="104"),
    ]
    assert server.asked[-1].query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "100",
        "timeoutSeconds": "300",
    }


async def test_one_object_that_cannot_be_read_does_not_spoil_the_list(
    server: FakeApiServer, maps: KubeResource[_Map]
) -> None:
    await server.put(_MAPS, _map("a", x="secret"))
    await server.put(_MAPS, _map("b", x=2))
    page = await maps.list(limit=500, more=None)
    bad, good = page.objects
    assert isinstance(bad, Unreadable)
    assert (bad.key.name, "secret" in bad.reason) == ("a", False)
    assert isinstance(good, Changed)
    assert good.view.data == {"x": 2}


@pytest.mark.parametrize(
    ("trouble", "kind", "message"),
    [
        (
            answers(404, "NotFound", message="no a"),
            NotFound,
            "get configmaps ns/a: 404 NotFound no a",
        ),
        (answers(409, "Conflict"), KubeConflict, "409 Conflict"),
        (answers(410, "Expired", message="too old"), Gone, "410 Expired too old"),
        (answers(422, "Invalid", message="spec.x: no"), Rejected, "422 Invalid spec.x: no"),
        (answers(500, "InternalError"), Unavailable, "500 InternalError"),
        (says(b"<html>Bad\n\nGateway</html>", status=502), Unavailable, "502 <html>Bad Gateway"),
        (says(b"{", status=200), Unavailable, "Invalid JSON"),
        (says(b"[]", status=200), Unavailable, "Input should be an object"),
        (breaks_off_after(b'{"meta'), Unavailable, "ClientPayloadError"),
        (
            answers(403, "Forbidden", message='User "system:serviceaccount:x" cannot'),
            Forbidden,
            (
                "not allowed to get configmaps ns/a; the Role needs "
                '{apiGroups: [""], resources: ["configmaps"], verbs: ["get"]}'
            ),
        ),
        (says(b"x" * 2**18, status=500), Unavailable, "500 " + "x" * 300 + "..."),
    ],
    ids=[
        "not found",
        "conflict",
        "gone",
        "invalid",
        "server error",
        "a proxy's page",
        "cut JSON",
        "not an object",
        "broken off",
        "forbidden",
        "an error that goes on and on",
    ],
)
async def test_every_trouble_has_its_kind_and_names_the_request(
    server: FakeApiServer,
    maps: KubeResource[_Map],
    trouble: Trouble,
    kind: type[Exception],
    message: str,
) -> None:
    server.troubles.append(trouble)
    with pytest.raises(kind) as caught:
        await maps.get(_KEY)
    assert type(caught.value) is kind
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "7"}, 7.0), ({}, 1.0), ({"Retry-After": "Wed, 21 Oct 2026 07:28"}, 1.0)],
    ids=["in seconds", "not said", "as a date"],
)
async def test_a_busy_server_says_when_to_come_back(
    server: FakeApiServer, maps: KubeResource[_Map], headers: dict[str, str], seconds: float
) -> None:
    server.troubles.append(answers(429, "TooManyRequests", headers=headers))
    with pytest.raises(TooMany) as caught:
        await maps.get(_KEY)
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (answers(410, "Expired"), Gone),
        (says(line("ERROR", {"code": 410, "reason": "Gone"})), Gone),
        (says(line("ERROR", {"code": 429, "details": {"retryAfterSeconds": 3}})), TooMany),
        (says(line("ERROR", {"code": 500, "message": "etcd"})), Unavailable),
        (says(b'{"type": "ADDED"}\n'), Unavailable),
        (says(b"nonsense\n"), Unavailable),
        (falls_silent_after(), Unavailable),
        (breaks_off_after(b'{"type"'), Unavailable),
    ],
    ids=[
        "expired by status",
        "expired by event",
        "busy by event",
        "another error event",
        "no object",
        "no JSON",
        "silence",
        "broken off",
    ],
)
async def test_a_watch_ends_with_what_went_wrong(
    server: FakeApiServer, maps: KubeResource[_Map], trouble: Trouble, kind: type[Exception]
) -> None:
    server.troubles.append(trouble)
    with pytest.raises(kind) as caught:
        await _watched(maps, "1", 1, silence_seconds=0.2)
    assert type(caught.value) is kind


async def test_a_watch_that_ends_in_mid_line_gives_the_whole_lines(
    server: FakeApiServer, maps: KubeResource[_Map]
) -> None:
    whole = line("BOOKMARK", {"metadata": {"resourceVersion": "5"}})
    server.troubles.append(says(whole + whole[:20]))
    assert await _watched(maps, "1", 2) == [Bookmark(version="5")]


async def test_a_line_in_pieces_is_one_event(
    server: FakeApiServer, maps: KubeResource[_Map]
) -> None:
    whole = line("BOOKMARK", {"metadata": {"resourceVersion": "5"}})
    server.troubles.append(falls_silent_after(whole[:9], whole[9:] + whole[:9], whole[9:]))
    assert await _watched(maps, "1", 2) == [Bookmark(version="5")] * 2


async def test_an_answer_that_is_too_long_is_not_read(
    server: FakeApiServer, maps: KubeResource[_Map], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "_BODY_BYTES", 2**20)
    monkeypatch.setattr(kube, "_LINE_BYTES", 2**19)
    await server.put(_MAPS, _map("a", **{str(n): 1 for n in range(100_000)}))
    with pytest.raises(Unavailable, match="answer above 1 MiB"):
        await maps.get(_KEY)
    with pytest.raises(Unavailable, match=r"event above 0\.5 MiB"):
        await _watched(maps, "100", 1)


async def test_an_answer_that_does_not_come_is_not_waited_for(
    server: FakeApiServer, maps: KubeResource[_Map], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "_REQUEST_SECONDS", 0.2)
    server.troubles.append(falls_silent_after(b"{"))
    with pytest.raises(Unavailable, match="get configmaps ns/a: no answer in time"):
        await maps.get(_KEY)


async def test_a_server_that_is_not_there_is_unavailable(
    server: FakeApiServer, maps: KubeResource[_Map], counted: _Counted
) -> None:
    await server.__aexit__(None, None, None)
    with pytest.raises(Unavailable, match="ClientConnectorError"):
        await maps.get(_KEY)
    assert counted.requests == {("GET", "<error>"): 1}


async def test_a_token_that_was_replaced_on_disk_is_found_when_the_old_one_is_refused(
    server: FakeApiServer, maps: KubeResource[_Map], token_file: Path, counted: _Counted
) -> None:
    await server.put(_MAPS, _map("a", x=1))
    assert (await maps.get(_KEY)).data == {"x": 1}
    server.good_tokens = {"new"}
    _write(token_file, "new\n")
    assert (await maps.get(_KEY)).data == {"x": 1}
    assert [asked.token for asked in server.asked] == ["good", "good", "new"]
    assert counted.requests == {("GET", "200"): 2, ("GET", "401"): 1}


@pytest.mark.parametrize("text", ["good", None, ""], ids=["the same", "missing", "empty"])
async def test_a_token_that_is_refused_is_not_tried_again_and_never_shown(
    server: FakeApiServer,
    maps: KubeResource[_Map],
    token_file: Path,
    text: str | None,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    server.good_tokens = set()
    _write(token_file, text)
    with pytest.raises(Unavailable, match="401 Unauthorized") as caught:
        await maps.get(_KEY)
    assert len(server.asked) <= 2
    told = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {capsys.readouterr()}"
    assert "good" not in told


async def test_a_write_names_its_manager_and_says_what_it_is(
    server: FakeApiServer, deployments: KubeResource[ObjectView]
) -> None:
    await server.put(_DEPLOYMENTS, _map("a"))
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}
    await deployments.apply(_KEY, body)
    await deployments.check(_KEY, body)
    await deployments.merge(_KEY, {"metadata": {"labels": None}})
    assert [(a.method, a.path, a.content_type, a.query) for a in server.asked] == [
        (
            "PATCH",
            f"{_DEPLOYMENTS}/a",
            "application/apply-patch+yaml",
            {"fieldManager": "v4-operator", "force": "false"},
        ),
        (
            "PATCH",
            f"{_DEPLOYMENTS}/a",
            "application/apply-patch+yaml",
            {"fieldManager": "v4-operator", "force": "true", "dryRun": "All"},
        ),
        (
            "PATCH",
            f"{_DEPLOYMENTS}/a",
            "application/merge-patch+json",
            {"fieldManager": "v4-operator"},
        ),
    ]
    assert [asked.body for asked in server.asked] == [body, body, {"metadata": {"labels": None}}]


async def test_a_count_is_written_to_the_version_it_was_decided_on(
    server: FakeApiServer, deployments: KubeResource[ObjectView]
) -> None:
    scale = _map("scale") | {"spec": {"replicas": 2}, "status": {}}
    await server.put(f"{_DEPLOYMENTS}/a", scale)
    read = await deployments.scale(_KEY)
    assert (read.spec.replicas, read.status.replicas) == (2, 0)
    written = await deployments.set_scale(_KEY, 3, read.metadata.resource_version)
    assert written.spec.replicas == 3
    assert server.asked[-1].path == f"{_DEPLOYMENTS}/a/scale"
    with pytest.raises(KubeConflict):
        await deployments.set_scale(_KEY, 4, read.metadata.resource_version)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a%2f", "a b", "-a"])
async def test_a_name_that_leads_elsewhere_is_asked_of_nobody(
    server: FakeApiServer, maps: KubeResource[_Map], name: str
) -> None:
    with pytest.raises(NotFound, match="is no name that an object of configmaps could have"):
        await maps.get(ObjectKey("ns", name))
    assert server.asked == []


async def test_a_lease_is_made_kept_and_given_back(server: FakeApiServer, api: KubeApi) -> None:
    lease = KubeLease(api, ObjectKey("ns", "operator"))
    record = LeaseRecord(
        holder="one", duration_seconds=10, acquired_at=1.5, renewed_at=2.25, transitions=3
    )
    assert await lease.read() is None
    made = await lease.create(record)
    assert made.record == record
    with pytest.raises(Conflict):
        await lease.create(record)
    free = LeaseRecord(
        holder=None, duration_seconds=1, acquired_at=None, renewed_at=3.0, transitions=3
    )
    given_back = await lease.update(free, made.version)
    assert await lease.read() == given_back
    assert given_back.record == free
    with pytest.raises(Conflict):
        await lease.update(record, made.version)
    assert server.asked[1].body["spec"]["renewTime"] == "1970-01-01T00:00:02.250000Z"
    await server.put("/apis/coordination.k8s.io/v1/namespaces/ns/leases", _map("operator"))
    empty = await lease.read()
    assert empty is not None
    assert (empty.record.holder, empty.record.duration_seconds) == (None, 0)


async def test_an_event_is_told_and_a_long_note_is_cut(server: FakeApiServer, api: KubeApi) -> None:
    events = KubeEvents(api, SystemClock(), "operator-1")
    regarding = Regarding(
        api_version="apps/v1", kind="Deployment", namespace="ns", name="flash", uid="u"
    )
    await events.record(
        regarding, EventType.WARNING, reason="Blind", action="Hold", note="µ" * 1000
    )
    told = server.asked[-1]
    assert told.path == "/apis/events.k8s.io/v1/namespaces/ns/events"
    assert told.body["regarding"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "ns",
        "name": "flash",
        "uid": "u",
    }
    assert told.body["note"] == "µ" * 512
    assert (told.body["type"], told.body["reason"], told.body["action"]) == (
        "Warning",
        "Blind",
        "Hold",
    )


async def test_an_event_that_cannot_be_told_harms_nothing(
    server: FakeApiServer, api: KubeApi
) -> None:
    events = KubeEvents(api, SystemClock(), "operator-1")
    server.troubles.append(answers(403, "Forbidden"))
    node = Regarding(api_version="v1", kind="Node", name="n", uid="u")
    await events.record(node, EventType.NORMAL, reason="Seen", action="None", note="short")
    assert server.asked[-1].path == "/apis/events.k8s.io/v1/namespaces/default/events"


class _Followed:
    """A reflector over the maps, quick to try again, and what it was seen to do."""

    def __init__(self, maps: KubeResource[_Map]) -> None:
        self.store: Store[_Map] = Store()
        self.lists = 0
        self.failures = 0
        self._moved = asyncio.Event()
        self.reflector = Reflector(
            "configmaps",
            maps,
            self.store,
            lambda _: self._moved.set(),
            clock=SystemClock(),
            chance=random.random,
            observer=self,
            limits=ReflectorLimits(page_objects=2, silence_seconds=0.5),
        )

    def listed(self, objects: int) -> None:
        del objects
        self.lists += 1

    def watching(self) -> None: ...

    def failed(self) -> None:
        self.failures += 1
        self._moved.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something happened that makes it true."""
        async with asyncio.timeout(20.0):
            while not condition():
                self._moved.clear()
                await self._moved.wait()

    def views(self) -> dict[str, dict[str, int]]:
        return {key.name: view.data for key, view in self.store}


@pytest.fixture
async def followed(server: FakeApiServer, maps: KubeResource[_Map]) -> AsyncIterator[_Followed]:
    await server.put(_MAPS, _map("a", x=1))
    await server.put(_MAPS, _map("b", x=1))
    await server.put(_MAPS, _map("c", x=1))
    made = _Followed(maps)
    running = asyncio.create_task(made.reflector.run())
    await made.reflector.synced.wait()
    yield made
    assert not running.done()
    await ended(running)


async def test_a_store_follows_the_server(server: FakeApiServer, followed: _Followed) -> None:
    await server.put(_MAPS, _map("a", x=2))
    await server.drop(_MAPS, "b")
    await followed.until(lambda: followed.views() == {"a": {"x": 2}, "c": {"x": 1}})
    assert followed.lists == 1


@pytest.mark.parametrize("how", ["by event", "by status"])
async def test_a_store_finds_deletions_that_history_has_forgotten(
    server: FakeApiServer, followed: _Followed, how: str
) -> None:
    await server.bookmark("/elsewhere")
    server._collections[_MAPS].objects.pop("b")
    await server.expire(within_watches=how == "by event")
    await followed.until(lambda: followed.views().keys() == {"a", "c"})
    assert followed.lists == 2


async def test_a_store_survives_silence_errors_and_a_busy_server(
    server: FakeApiServer, followed: _Followed
) -> None:
    server.troubles += [
        falls_silent_after(),
        answers(500, "InternalError"),
        answers(429, "TooManyRequests", headers={"Retry-After": "0"}),
        breaks_off_after(b'{"type"'),
    ]
    await followed.until(lambda: not server.troubles)
    await server.put(_MAPS, _map("d", x=4))
    await followed.until(lambda: "d" in followed.views())
    assert followed.lists == 1
    assert followed.failures >= 4
