"""The rig's own parts: addresses, processes, the cache of binaries."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.rig import binaries
from tests.rig.addresses import held_block
from tests.rig.build import path_of
from tests.rig.component import Component, ComponentEndedError
from tests.rig.toolchain import GoMissingError
from tests.rig.waiting import NotInTimeError, eventually


def test_two_rigs_never_share_an_address() -> None:
    with held_block() as one, held_block() as other:
        assert one.number != other.number


STARTER = """
import sys, time
from pathlib import Path
from tests.rig.component import Component
log = Path(sys.argv[1])
server = Component("sleep", ("/bin/sleep", "3600"), log=log, environment={})
server.start()
print(server.pid, flush=True)
time.sleep(3600)
"""


def test_a_server_dies_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        (sys.executable, "-c", STARTER, tmp_path / "log"), stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server = Path(f"/proc/{int(parent.stdout.readline())}")
        assert server.exists()

        parent.send_signal(signal.SIGKILL)

        eventually(lambda: not _alive(server), what="the server is gone")


def _alive(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_server_that_ends_by_itself_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    server = Component(
        "faulty",
        ("/bin/sh", "-c", "echo no such flag; exit 3"),
        log=tmp_path / "log",
        environment={},
    )
    server.start()

    assert server.wait_ended(60) == 3
    with pytest.raises(ComponentEndedError, match=r"(?s)faulty ended with 3.*no such flag"):
        server.check()


def test_what_does_not_come_in_time_is_named_with_what_was_seen_last() -> None:
    with pytest.raises(NotInTimeError, match="a miracle; seen last: 0"):
        eventually(lambda: 0, what="a miracle", limit_seconds=0.1)


def test_a_folder_of_kubebuilder_assets_comes_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etcd").touch()
    (tmp_path / "kwok").touch()
    monkeypatch.setenv(binaries.ASSETS_VARIABLE, str(tmp_path))

    assert path_of("etcd") == tmp_path / "etcd"
    assert path_of("kubectl").parent != tmp_path, "it is not in that folder"
    assert path_of("kwok").parent != tmp_path, "it is none of the three that such a folder holds"


def test_a_binary_that_is_not_built_is_an_error_that_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(binaries.ASSETS_VARIABLE, raising=False)

    with pytest.raises((FileNotFoundError, GoMissingError), match="`make rig`"):
        path_of("etcd")
