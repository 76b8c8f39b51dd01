"""Addresses of a rig: a 127.R.0.0/16 of its own, and ports that the kernel chooses.

Two clones, or two rigs of one run, never meet. The whole of 127.0.0.0/8 is local on Linux, so any
process can listen on a pod's address.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

# 127.0.0.0/16 holds localhost; the others are free on an ordinary machine.
_BLOCKS = range(1, 255)


class NoBlockError(Exception):
    """Every block is held by a running rig."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One 127.R.0.0/16: servers in the lower half, pods in the upper."""

    number: int

    @property
    def host(self) -> str:
        """Where the servers of the rig listen."""
        return f"127.{self.number}.0.1"

    @property
    def pods(self) -> str:
        """The CIDR of the pods' addresses."""
        return f"127.{self.number}.128.0/17"

    def free_port(self) -> int:
        """A port nobody listens on at `host`; nobody else looks for one there."""
        return self.free_ports(1)[0]

    def free_ports(self, count: int) -> tuple[int, ...]:
        """That many different ones."""
        with ExitStack() as until_all_are_known:
            probes = [until_all_are_known.enter_context(socket.socket()) for _ in range(count)]
            for probe in probes:
                probe.bind((self.host, 0))
            return tuple(probe.getsockname()[1] for probe in probes)


@contextmanager
def held_block() -> Iterator[Block]:
    """A block that is ours until the end; the kernel gives it back if we die.

    Raises:
        NoBlockError: none is free.
    """
    numbers = random.sample(_BLOCKS, len(_BLOCKS))  # spread: a lock may live in another /tmp
    for number in numbers:
        lock = _try_lock(Path(tempfile.gettempdir()) / f"v4-operator-rig-127.{number}.lock")
        if lock is not None:
            try:
                yield Block(number=number)
            finally:
                os.close(lock)
            return
    raise NoBlockError(f"all of 127.{_BLOCKS[0]}.0.0/16 to 127.{_BLOCKS[-1]}.0.0/16 are in use")


def _try_lock(path: Path) -> int | None:
    try:
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except PermissionError:  # another user's
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
