"""`v4operator.estimate` as a library: what it offers, and that importing it has no effect."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from v4operator import estimate

HEAVY = ("pydantic", "yaml", "rich", "httpx", "typer", "aiohttp", "kubernetes", "numpy")
MODULES = {path.stem for path in Path(estimate.__file__).parent.glob("*.py")}


@pytest.mark.parametrize("name", estimate.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    found = getattr(estimate, name)
    assert found.__name__ == name
    assert inspect.getdoc(found)


def test_no_public_name_is_also_a_module_that_would_hide_it() -> None:
    assert MODULES.isdisjoint(estimate.__all__)


def test_the_names_are_listed() -> None:
    assert dir(estimate) == sorted(estimate.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'chek'"):
        _ = estimate.chek


def loaded_by(statement: str) -> set[str]:
    """Modules of a new interpreter after `statement`."""
    told = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    )
    return set(told.stdout.split())


def test_importing_the_package_imports_none_of_its_modules() -> None:
    loaded = loaded_by("import v4operator.estimate")
    assert {name for name in loaded if name.startswith("v4operator.estimate.")} == set()


def test_importing_every_public_name_imports_nothing_heavy() -> None:
    loaded = loaded_by(f"from v4operator.estimate import {', '.join(estimate.__all__)}")
    assert "v4operator.estimate.sizing" in loaded
    assert {name for name in HEAVY if name in loaded} == set()
