"""A wire to the API server that can be cut without a word, as a firewall that forgets does it.

TCP only: what passes is not looked at. The certificate of the API server holds for the relay, too:
it listens on the same address.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.rig.plane import ControlPlane

_CHUNK_BYTES = 2**16


class Relay:
    """Passes bytes on both ways; use `relay`."""

    def __init__(self, host: str, target_port: int) -> None:
        self._target = (host, target_port)
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._lines: list[_Line] = []
        self._thread = threading.Thread(target=self._accept, name="relay")

    @property
    def connections(self) -> int:
        """Accepted so far."""
        return len(self._lines)

    def start(self) -> None:
        """Accept from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for line in self._lines:
            line.close()

    def go_silent(self) -> int:
        """From now on nothing passes on the connections that there are, and no end is told.

        Returns how many they were. New ones work.
        """
        lines = tuple(self._lines)
        for line in lines:
            line.is_silent = True
        return len(lines)

    def _accept(self) -> None:
        with suppress(OSError):  # that is how it ends
            while True:
                near, _ = self._listener.accept()
                self._lines.append(_Line(near, socket.create_connection(self._target)))


class _Line:
    """One connection, carried by a thread each way."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.is_silent = False
        self._ends = (near, far)
        ways = ((near, far), (far, near))
        self._threads = [threading.Thread(target=self._carry, args=way) for way in ways]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End it, silent or not."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """Bytes of one direction until it ends; swallowed while it is silent."""
        with suppress(OSError):
            while part := source.recv(_CHUNK_BYTES):
                if not self.is_silent:
                    target.sendall(part)
            if not self.is_silent:
                target.shutdown(socket.SHUT_WR)


@contextmanager
def relay(plane: ControlPlane) -> Iterator[Relay]:
    """A relay to the API server until the block ends."""
    address = urlsplit(plane.server.url)
    assert address.hostname is not None
    assert address.port is not None
    running = Relay(address.hostname, address.port)
    running.start()
    try:
        yield running
    finally:
        running.stop()
