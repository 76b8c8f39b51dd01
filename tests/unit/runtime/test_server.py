from __future__ import annotations

import socket
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from v4operator.runtime import server as server_module
from v4operator.runtime.heartbeat import Heartbeat
from v4operator.runtime.server import HealthServer, Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Answer = tuple[int, str | None, bytes]


class _State:
    """What the pages show, as the test wants it."""

    def __init__(self) -> None:
        self.render: Callable[[], bytes] = lambda: b"v4_up 1\n"
        self.reason: str | None = None
        self.heartbeat = Heartbeat()

    def metrics(self) -> bytes:
        return self.render()


@pytest.fixture
def state() -> _State:
    return _State()


@pytest.fixture
def server(state: _State) -> Iterator[HealthServer]:
    pages = Pages(
        metrics=state.metrics,
        not_ready=lambda: state.reason,
        heartbeat=state.heartbeat,
    )
    server = HealthServer(pages).start()
    yield server
    server.stop()


def _ask(server: HealthServer, path: str, method: str = "GET") -> _Answer:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_metrics_are_served_as_text_for_prometheus(server: HealthServer) -> None:
    kind = "text/plain; version=0.0.4; charset=utf-8"
    assert _ask(server, "/metrics") == (200, kind, b"v4_up 1\n")
    assert _ask(server, "/metrics?name[]=v4_up")[0] == 200


def test_metrics_that_cannot_be_rendered_are_an_error_and_not_silence(
    server: HealthServer, state: _State
) -> None:
    def broken() -> bytes:
        raise KeyError("replica")

    state.render = broken
    status, _, body = _ask(server, "/metrics")
    assert (status, body) == (500, b"metrics could not be rendered: KeyError: 'replica'\n")


@pytest.mark.parametrize(
    ("reason", "status", "body"),
    [(None, 200, b"ok\n"), ("no manifest read yet", 503, b"no manifest read yet\n")],
    ids=["ready", "not ready"],
)
def test_readiness_says_why_not(
    server: HealthServer, state: _State, reason: str | None, status: int, body: bytes
) -> None:
    state.reason = reason
    assert _ask(server, "/readyz") == (status, "text/plain; charset=utf-8", body)


@pytest.mark.parametrize(
    ("age", "status", "body"),
    [(0.0, 200, b"ok\n"), (31.0, 503, b"the event loop has been silent for 31 s\n")],
    ids=["turning", "stuck"],
)
def test_liveness_is_the_age_of_the_heartbeat(
    server: HealthServer,
    monkeypatch: pytest.MonkeyPatch,
    state: _State,
    age: float,
    status: int,
    body: bytes,
) -> None:
    monkeypatch.setattr(state.heartbeat, "age_seconds", lambda: age)
    assert _ask(server, "/healthz") == (status, "text/plain; charset=utf-8", body)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 501)],
    ids=["root", "below a page", "not a GET"],
)
def test_anything_else_is_refused(
    server: HealthServer, method: str, path: str, status: int
) -> None:
    assert _ask(server, path, method)[0] == status


def test_a_port_that_is_taken_fails_at_once(server: HealthServer, state: _State) -> None:
    pages = Pages(metrics=bytes, not_ready=lambda: None, heartbeat=state.heartbeat)
    with pytest.raises(OSError, match="in use"):
        HealthServer(pages, port=server.port)


def test_a_server_that_never_started_can_be_stopped(state: _State) -> None:
    pages = Pages(metrics=bytes, not_ready=lambda: None, heartbeat=state.heartbeat)
    HealthServer(pages).stop()


def test_clients_that_say_nothing_are_cut_and_take_no_more_than_their_share(
    state: _State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_CONNECTION_SECONDS", 0.2)
    monkeypatch.setattr(server_module, "_MAX_CONNECTIONS", 2)
    pages = Pages(metrics=bytes, not_ready=lambda: None, heartbeat=state.heartbeat)
    server = HealthServer(pages).start()
    silent = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(3)]
    try:
        assert [connection.recv(1) for connection in silent] == [b"", b"", b""]
        assert _eventually_answers(server)
    finally:
        for connection in silent:
            connection.close()
        server.stop()


def _eventually_answers(server: HealthServer) -> bool:
    """The threads of cut connections end a moment after their client has seen the end."""
    give_up = time.monotonic() + 10.0
    while time.monotonic() < give_up:
        try:
            if _ask(server, "/readyz")[0] == 200:
                return True
        except OSError:
            continue
    return False


def test_documents_are_json_below_v1_and_nothing_else_is(state: _State) -> None:
    held = {"a/b": b"{}"}
    pages = Pages(
        metrics=bytes, not_ready=lambda: None, heartbeat=state.heartbeat, document=held.get
    )
    server = HealthServer(pages).start()
    try:
        assert _ask(server, "/v1/a/b") == (200, "application/json", b"{}")
        assert [_ask(server, path)[0] for path in ("/v1/a", "/a/b", f"/v1/{'a' * 600}")] == [
            404
        ] * 3
        assert _ask(server, "/v1/a/b", "POST")[0] == 501
    finally:
        server.stop()
