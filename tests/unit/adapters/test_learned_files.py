"""What was learned outlives the process in a file, as far as a folder lets it."""

from pathlib import Path

import pytest
from tests.conftest import FakeClock

from v4operator.adapters.learned_files import LearnedFiles
from v4operator.model.deployment import Key
from v4operator.model.learned import Learned, StartUps

KEY = Key("ns", "flash")
LEARNED = Learned(key="k", start_ups=StartUps(durations_seconds=(400.0,)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_what_was_learned_is_kept_every_five_minutes_and_read_at_the_start(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    files = LearnedFiles(tmp_path, clock)
    files.note(KEY, LEARNED)
    files.save_if_due()
    assert LearnedFiles(tmp_path, clock).read(KEY) is None
    await clock.advance(300.0)
    files.save_if_due()
    assert LearnedFiles(tmp_path, clock).read(KEY) == LEARNED
    assert names(tmp_path) == ["ns_flash.learned"]


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    files = LearnedFiles(tmp_path, FakeClock())
    files.note(KEY, LEARNED)
    files.save()
    inode = (tmp_path / "ns_flash.learned").stat().st_ino
    files.save()
    assert (tmp_path / "ns_flash.learned").stat().st_ino == inode


def test_a_deployment_that_is_gone_takes_its_file_along(tmp_path: Path) -> None:
    files = LearnedFiles(tmp_path, FakeClock())
    files.note(KEY, LEARNED)
    files.save()
    files.forget(KEY)
    files.save()
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}"], ids=["empty", "no text", "nothing"])
def test_a_file_that_is_not_understood_is_learned_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ns_flash.learned").write_bytes(content)
    assert LearnedFiles(tmp_path, FakeClock()).read(KEY) is None


def test_a_folder_that_cannot_be_used_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "ns_flash.learned").mkdir()
    files = LearnedFiles(tmp_path, FakeClock())
    assert files.read(KEY) is None
    files.note(KEY, LEARNED)
    files.save()
    assert (tmp_path / "ns_flash.learned").is_dir()
