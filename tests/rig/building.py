"""How a builder fills a cache that others use: one at a time, said aloud, failing with last words.

What is built, and where it is put, is the builder's own matter.
"""

import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# A person, or a CI that ends silent jobs, should see that it goes on.
_SAY_EVERY_SECONDS = 20.0
# Lines of a tool's output worth showing where it failed.
_LAST_LINES = 30

Say = Callable[[str], None]


@contextmanager
def only_builder(cache: Path, say: Say) -> Iterator[None]:
    """Hold the lock of this cache folder, which is made if need be; a second builder waits."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another builder is at work, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def failure(
    command: tuple[str | Path, ...],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    still: Callable[[float], None],
) -> str | None:
    """Run a tool; `None`, or how it ended and its last lines. `still` is told the seconds so far.

    The log goes where all went well.
    """
    start = time.monotonic()
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as tool,
    ):
        while tool.returncode is None:
            try:
                tool.wait(_SAY_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                still(time.monotonic() - start)
    if tool.returncode:
        tail = "\n".join(log.read_text().splitlines()[-_LAST_LINES:])
        return f"ended with {tool.returncode}\n{tail}"
    log.unlink()
    return None
