"""Serves /metrics, /healthz, /readyz and /v1 from threads of its own: a blocked loop is seen.

It knows nothing of what it reports: the text of the metrics, the verdict on readiness and the JSON
below /v1 come from callables, which run in a server thread. GET only, no authentication, no TLS:
loopback is the default, and nothing that is shown may be a secret.
"""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Self

from v4operator.runtime.heartbeat import Heartbeat

_LIVENESS_LIMIT_SECONDS = 30.0
"""A loop silent for this long is stuck: the longest estimate takes milliseconds."""

_CONNECTION_SECONDS = 10.0
"""A connection lives no longer, whatever its client does; Prometheus gives up after 10 s too."""

_MAX_CONNECTIONS = 16
"""Served at once: two Prometheus servers, the probes and a person need fewer."""

_POLL_SECONDS = 0.1
"""How soon the serving thread notices that it is to stop."""

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TEXT_TYPE = "text/plain; charset=utf-8"
_JSON_TYPE = "application/json"
_DOCUMENTS = "/v1/"

_LONGEST_PATH = 512
"""Two names of at most 253 characters, and the prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What the server shows. `not_ready` gives the reason why not, `None` when ready.

    `document` gives the JSON of a path below /v1, `None` where there is none.
    """

    metrics: Callable[[], bytes]
    not_ready: Callable[[], str | None]
    heartbeat: Heartbeat
    document: Callable[[str], bytes | None] = lambda _: None


class HealthServer:
    """The server, from `start` to `stop`."""

    def __init__(self, pages: Pages, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Bind at once, so that a taken port fails the start-up; port 0 asks the kernel for one.

        Raises:
            OSError: the address cannot be bound.
        """
        self._server = _Server((host, port), pages)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=[_POLL_SECONDS],
            name="health-server",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer no more and free the port; answers under way are not waited for."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A threaded server that serves a bounded number of connections for a bounded time."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = _MAX_CONNECTIONS

    def __init__(self, address: tuple[str, int], pages: Pages) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.pages = pages
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the DNS for the host's name, as the base class does."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve in a new thread, or close at once where too many are being served."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection and cut it when its time is over."""
        cut = threading.Timer(_CONNECTION_SECONDS, _cut, [request])
        cut.daemon = True
        cut.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            cut.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in mid-answer is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one GET per connection (HTTP/1.0); anything else is refused by the base class."""

    server: _Server
    timeout = _CONNECTION_SECONDS
    server_version = "v4-operator"
    sys_version = ""

    def do_GET(self) -> None:
        """Route by path."""
        pages = {"/metrics": self._metrics, "/healthz": self._healthz, "/readyz": self._readyz}
        path = self.path.partition("?")[0]
        page = pages.get(path)
        if page is not None:
            page()
        elif not path.startswith(_DOCUMENTS) or not self._document(path):
            self._answer(HTTPStatus.NOT_FOUND, f"not found; there are {', '.join(pages)}\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Say nothing: probes every few seconds are no news."""

    def _metrics(self) -> None:
        body = self._rendered("metrics", self.server.pages.metrics)
        if body is not None:
            self._send(HTTPStatus.OK, body, _METRICS_TYPE)

    def _document(self, path: str) -> bool:
        """Answer with the JSON of the path; whether there is one."""
        if len(path) > _LONGEST_PATH:
            return False
        name = path.removeprefix(_DOCUMENTS)
        missing = b""
        body = self._rendered("the page", lambda: self.server.pages.document(name) or missing)
        if body:
            self._send(HTTPStatus.OK, body, _JSON_TYPE)
        return body != missing

    def _rendered(self, what: str, render: Callable[[], bytes]) -> bytes | None:
        """What `render` gives; `None` where it fails, which has then been answered."""
        try:
            return render()
        except Exception as error:  # noqa: BLE001 - a broken page must not end the connection mutely
            text = f"{what} could not be rendered: {type(error).__name__}: {error}\n"
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, text)
            return None

    def _healthz(self) -> None:
        age = self.server.pages.heartbeat.age_seconds()
        if age <= _LIVENESS_LIMIT_SECONDS:
            self._answer(HTTPStatus.OK, "ok\n")
        else:
            text = f"the event loop has been silent for {age:.0f} s\n"
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, text)

    def _readyz(self) -> None:
        reason = self.server.pages.not_ready()
        if reason is None:
            self._answer(HTTPStatus.OK, "ok\n")
        else:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{reason}\n")

    def _answer(self, status: HTTPStatus, text: str) -> None:
        self._send(status, text.encode(), _TEXT_TYPE)

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it had ended by itself
