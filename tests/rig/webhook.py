"""Receives what Alertmanager sends to a webhook, and keeps it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.rig.addresses import Block


class Receiver:
    """A webhook on loopback; notifications in the order of their arrival."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.deliveries: list[tuple[float, dict[str, Any]]] = []
        """When each notification came, on the monotonic clock, and what it said."""

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """What came so far."""
        return [said for _, said in tuple(self.deliveries)]

    def first_arrival(self, name: str, *, status: str = "firing") -> float:
        """When an alert of that name and status was first delivered, on the monotonic clock.

        Raises:
            StopIteration: it was not.
        """
        return next(
            at
            for at, said in tuple(self.deliveries)
            for alert in said["alerts"]
            if alert["labels"].get("alertname") == name and alert["status"] == status
        )

    def alerts(self, name: str, *, status: str = "firing") -> list[dict[str, Any]]:
        """Every delivered alert of that name and status."""
        return [
            alert
            for notification in self.notifications
            for alert in notification["alerts"]
            if alert["labels"].get("alertname") == name and alert["status"] == status
        ]


@contextmanager
def receiver(block: Block) -> Iterator[Receiver]:
    """A receiver that listens until the end."""
    port = block.free_port()
    kept = Receiver(f"http://{block.host}:{port}/")
    with ThreadingHTTPServer((block.host, port), _handler(kept)) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


def _handler(kept: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.deliveries.append((time.monotonic(), json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as overridden
            """Say nothing: the test shows what came."""

    return Handler
