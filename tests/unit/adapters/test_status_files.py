from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from v4operator.adapters.status_files import StatusFiles
from v4operator.model.deployment import Key

if TYPE_CHECKING:
    from pathlib import Path

_KEY = Key("team-a", "flash")


def test_a_status_is_written_as_json_that_others_may_read(tmp_path: Path) -> None:
    files = StatusFiles(tmp_path / "new" / "folder")
    assert files.write(_KEY, {"replicas": 3, "observed": {"kvUsageRatio": None}})
    path = tmp_path / "new" / "folder" / "team-a_flash.json"
    assert json.loads(path.read_text()) == {"replicas": 3, "observed": {"kvUsageRatio": None}}
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_status_is_written_again_only_when_it_changed(tmp_path: Path) -> None:
    files = StatusFiles(tmp_path)
    files.write(_KEY, {"replicas": 3})
    inode = files.path(_KEY).stat().st_ino
    assert not files.write(_KEY, {"replicas": 3})
    assert files.path(_KEY).stat().st_ino == inode
    assert files.write(_KEY, {"replicas": 4})
    assert json.loads(files.path(_KEY).read_text()) == {"replicas": 4}


def test_a_status_that_somebody_removed_is_written_again(tmp_path: Path) -> None:
    files = StatusFiles(tmp_path)
    files.write(_KEY, {"replicas": 3})
    files.path(_KEY).unlink()
    assert files.write(_KEY, {"replicas": 3})


def test_a_status_goes_with_its_object(tmp_path: Path) -> None:
    files = StatusFiles(tmp_path)
    files.write(_KEY, {"replicas": 3})
    files.write(Key("team-b", "flash"), {"replicas": 1})
    files.remove(_KEY)
    files.remove(_KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["team-b_flash.json"]
    assert files.write(_KEY, {"replicas": 3})


def test_a_write_that_fails_leaves_the_old_status_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = StatusFiles(tmp_path)
    files.write(_KEY, {"replicas": 3})

    def full(descriptor: int, mode: int) -> None:
        raise OSError(28, "No space left on device", descriptor, mode)

    monkeypatch.setattr("v4operator.adapters.status_files.os.fchmod", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(_KEY, {"replicas": 4})
    assert [path.name for path in tmp_path.iterdir()] == ["team-a_flash.json"]
    assert json.loads(files.path(_KEY).read_text()) == {"replicas": 3}


def test_a_figure_that_json_cannot_hold_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        StatusFiles(tmp_path).write(_KEY, {"ratio": float("nan")})


def test_files_of_objects_that_are_gone_are_found_and_others_are_left(tmp_path: Path) -> None:
    files = StatusFiles(tmp_path)
    for key in (_KEY, Key("team-a", "pro")):
        metadata = {"namespace": key.namespace, "name": key.name}
        files.write(key, {"kind": "V4Deployment", "metadata": metadata})
    (tmp_path / "my_notes.json").write_text('{"kind": "Notes"}')
    (tmp_path / "a_list.json").write_text("[]")
    (tmp_path / "half_written.json").write_text("{")
    (tmp_path / "copy_of.json").write_text(files.path(_KEY).read_text())
    assert StatusFiles(tmp_path).vanished({_KEY}) == (Key("team-a", "pro"),)
