"""Rules of the house that no linter knows."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Only what is tracked is the project; a checkout without git has no such list to hold against it.
TRACKED = subprocess.run(
    ["git", "ls-files", "-z"],  # noqa: S607
    cwd=ROOT,
    capture_output=True,
    check=True,
    text=True,
).stdout.split("\0")


def test_operator_is_no_package_because_it_would_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


@pytest.mark.parametrize(
    "name", [n for n in TRACKED if n.startswith("operator/v4operator/") and n.endswith(".py")]
)
def test_every_module_says_on_top_what_it_is_for(name: str) -> None:
    assert (ROOT / name).read_text().startswith('"""')


def test_nothing_reads_the_shared_notes_and_no_path_of_a_machine_is_in_the_tree() -> None:
    shared, home = "../" + "shared", "/" + "root" + "/"
    texts = {n: (ROOT / n) for n in TRACKED if n and (ROOT / n).is_file()}

    offenders = [
        name
        for name, path in texts.items()
        if any(word in path.read_bytes().decode(errors="replace") for word in (shared, home))
    ]

    assert offenders == []


def test_locks_carry_hashes_and_no_index() -> None:
    locks = [name for name in TRACKED if name.endswith(".lock")]
    assert len(locks) == 4
    for lock in locks:
        text = (ROOT / lock).read_text()
        assert "--hash=sha256:" in text
        assert "index-url" not in text
