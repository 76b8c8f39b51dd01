from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from v4operator.adapters.manifests import ManifestFolder, Manifests
from v4operator.model.deployment import Deployment, Key
from v4operator.model.problem import InputError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeDeployment


class _Folder:
    """A folder whose files hold one "name count" a line; a line that starts with ! is a mistake."""

    def __init__(self, path: Path, make_deployment: MakeDeployment) -> None:
        self.path = path
        self._make_deployment = make_deployment
        self.parsed: list[str] = []
        self.manifests = ManifestFolder(path, self._load)

    def _load(self, path: Path) -> tuple[Deployment, ...]:
        self.parsed.append(path.name)
        lines = path.read_text().splitlines()
        if any(line.startswith("!") for line in lines):
            raise InputError([Problem(where=path.name, path="spec", found="!", allowed="a name")])
        words = [line.split() for line in lines]
        return tuple(
            self._make_deployment(key=Key("ns", name), metrics_port=int(port))
            for name, port in words
        )

    def write(self, name: str, *lines: str) -> None:
        (self.path / name).write_text("\n".join(lines))

    def read(self) -> Manifests:
        return self.manifests.read()


@pytest.fixture
def folder(tmp_path: Path, make_deployment: MakeDeployment) -> _Folder:
    return _Folder(tmp_path, make_deployment)


def _said(manifests: Manifests) -> dict[str, tuple[int, int]]:
    """Port and generation by name."""
    return {
        deployment.key.name: (deployment.metrics_port, deployment.generation)
        for deployment in manifests.deployments
    }


def test_every_manifest_of_the_folder_is_read_in_order_of_its_key(folder: _Folder) -> None:
    folder.write("b.yaml", "zeta 1")
    folder.write("c.yml", "beta 2", "alpha 3")
    folder.write("notes.txt", "!")
    folder.write(".hidden.yaml", "!")
    (folder.path / "folder.yaml").mkdir()
    (folder.path / "broken-link.yaml").symlink_to(folder.path / "nowhere")
    manifests = folder.read()
    assert list(_said(manifests)) == ["alpha", "beta", "zeta"]
    assert manifests.problems == ()


def test_an_edit_takes_effect_and_counts_the_generation_of_what_changed(folder: _Folder) -> None:
    folder.write("a.yaml", "alpha 1", "beta 1")
    assert _said(folder.read()) == {"alpha": (1, 1), "beta": (1, 1)}
    folder.write("a.yaml", "alpha 22", "beta 1")
    assert _said(folder.read()) == {"alpha": (22, 2), "beta": (1, 1)}


def test_a_file_that_did_not_change_is_not_read_again(folder: _Folder) -> None:
    folder.write("a.yaml", "alpha 1")
    folder.write("b.yaml", "beta 1")
    folder.read()
    folder.write("b.yaml", "beta 22")
    folder.read()
    folder.read()
    assert folder.parsed == ["a.yaml", "b.yaml", "b.yaml"]


def test_a_file_replaced_in_one_step_by_one_of_the_same_size_is_seen(folder: _Folder) -> None:
    folder.write("a.yaml", "alpha 1")
    folder.read()
    folder.write("new.tmp", "alpha 2")
    (folder.path / "new.tmp").replace(folder.path / "a.yaml")
    assert _said(folder.read()) == {"alpha": (2, 2)}


def test_a_broken_edit_keeps_what_was_said_and_is_reported_until_mended(folder: _Folder) -> None:
    folder.write("a.yaml", "alpha 1")
    folder.write("b.yaml", "beta 1")
    folder.read()
    folder.write("a.yaml", "! broken")
    for _ in range(2):
        manifests = folder.read()
        assert _said(manifests) == {"alpha": (1, 1), "beta": (1, 1)}
        assert [problem.where for problem in manifests.problems] == ["a.yaml"]
    folder.write("a.yaml", "alpha 333")
    mended = folder.read()
    assert (_said(mended)["alpha"], mended.problems) == ((333, 2), ())


def test_a_file_that_is_broken_from_the_start_says_nothing(folder: _Folder) -> None:
    folder.write("a.yaml", "!")
    folder.write("b.yaml", "beta 1")
    manifests = folder.read()
    assert list(_said(manifests)) == ["beta"]
    assert len(manifests.problems) == 1


def test_a_removed_file_removes_what_it_said(folder: _Folder) -> None:
    folder.write("a.yaml", "alpha 1")
    folder.write("b.yaml", "beta 1")
    folder.read()
    (folder.path / "a.yaml").unlink()
    assert list(_said(folder.read())) == ["beta"]


def test_an_object_in_two_files_is_an_error_naming_both_and_stays_as_it_was(
    folder: _Folder,
) -> None:
    folder.write("b.yaml", "alpha 1")
    folder.read()
    folder.write("a.yaml", "alpha 2", "beta 2")
    manifests = folder.read()
    assert _said(manifests) == {"alpha": (1, 1), "beta": (2, 1)}
    (problem,) = manifests.problems
    assert problem.where == str(folder.path / "a.yaml")
    assert problem.found == f"ns/alpha, which {folder.path / 'b.yaml'} defines already"
    (folder.path / "b.yaml").unlink()
    moved = folder.read()
    assert _said(moved) == {"alpha": (2, 2), "beta": (2, 1)}
    assert moved.problems == ()


def test_an_object_in_two_files_from_the_start_is_taken_from_the_first_by_name(
    folder: _Folder,
) -> None:
    folder.write("b.yaml", "alpha 1")
    folder.write("a.yaml", "alpha 2")
    manifests = folder.read()
    assert _said(manifests) == {"alpha": (2, 1)}
    assert len(manifests.problems) == 1


def test_an_object_that_left_and_came_back_is_a_new_one(folder: _Folder) -> None:
    folder.write("a.yaml", "alpha 1")
    folder.read()
    folder.write("a.yaml", "alpha 22")
    folder.read()
    (folder.path / "a.yaml").unlink()
    folder.read()
    folder.write("a.yaml", "alpha 333")
    assert _said(folder.read()) == {"alpha": (333, 1)}


def test_a_folder_that_cannot_be_read_keeps_everything_and_says_so(folder: _Folder) -> None:
    folder.write("a.yaml", "alpha 1")
    folder.read()
    shutil.rmtree(folder.path)
    manifests = folder.read()
    assert list(_said(manifests)) == ["alpha"]
    (problem,) = manifests.problems
    assert problem.where == str(folder.path)
    assert problem.found == "No such file or directory"
