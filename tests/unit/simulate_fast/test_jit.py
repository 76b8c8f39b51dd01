"""Where compiled code is kept, and what happens without a compiler."""

import sys
from pathlib import Path

import pytest

from v4operator.simulate.fast.kernel import jit


def doubled(number: int) -> int:
    return 2 * number


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "steps.py").write_text("one = 1\n")
    monkeypatch.setattr(jit, "_FOLDER", tmp_path)
    return tmp_path


def kept(folder: Path) -> list[Path]:
    return list((folder / "__pycache__").glob("compiled-*"))


def test_compiled_code_is_kept_beside_its_sources(sources: Path) -> None:
    assert jit.entry(doubled)(21) == 42
    assert len(list(kept(sources)[0].rglob("*.nbi"))) == 1


def test_a_change_in_any_source_drops_what_was_kept(sources: Path) -> None:
    jit.entry(doubled)
    before = kept(sources)
    jit.entry(doubled)
    assert kept(sources) == before

    (sources / "queue.py").write_text("two = 2\n")
    jit.entry(doubled)

    assert len(kept(sources)) == 1
    assert kept(sources) != before


def test_a_folder_that_cannot_be_written_means_compiling_every_time(sources: Path) -> None:
    (sources / "__pycache__").write_text("in the way")

    assert jit.entry(doubled)(21) == 42


@pytest.mark.parametrize("decorator", [jit.entry, jit.compiled])
def test_without_numba_a_function_stays_as_it_is(
    decorator: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)

    assert callable(decorator)
    assert decorator(doubled) is doubled
