"""Builds the page that draws dashboards with Grafana's own components, into the user's cache.

`python -m tests.dashboards.build`. The packages (half a gigabyte) are kept by what the lock says,
the bundle by the page's sources too. Safe to interrupt and to start twice: a lock keeps a second
builder waiting, and a folder appears under its name only when it is whole.
"""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.dashboards.toolchain import NODE, NPM, ChromiumMissingError, chromium, environment
from tests.rig.building import failure, only_builder

_PAGE = Path(__file__).parent / "page"
_LOCKED = ("package.json", "package-lock.json", ".npmrc")
# Grafana's typeface, by the names under which its styles ask for it.
_FONTS = {"Inter-Regular": 400, "Inter-Medium": 500}


class PageBuildError(Exception):
    """The page could not be built; carries the last lines of the tool that failed."""


def site() -> Path:
    """The folder with the built page.

    Raises:
        FileNotFoundError: it has not been built; says how to.
    """
    folder = _bundle_folder()
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing; `python -m tests.dashboards.build` makes it")
    return folder


def build() -> Path:
    """Install what is locked and bundle the page, each only where the cache lacks it.

    Raises:
        PageBuildError: npm or the bundler failed.
    """
    with only_builder(_cache(), _say):
        packages, bundle = _packages_folder(), _bundle_folder()
        if not packages.is_dir():
            _make(packages, _install)
        if not bundle.is_dir():
            _make(bundle, _bundle)
    return bundle


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "v4-operator-dashboards"


def _packages_folder() -> Path:
    return _cache() / f"packages-{_digest([_PAGE / name for name in _LOCKED])}"


def _bundle_folder() -> Path:
    sources = [path for path in sorted(_PAGE.rglob("*")) if path.is_file()]
    sources.append(Path(__file__))
    return _cache() / f"page-{_digest(sources)}"


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256(NODE.read_bytes()[:4096])
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _make(folder: Path, fill: Callable[[Path], None]) -> None:
    partial = folder.with_suffix(f".{os.getpid()}")
    partial.mkdir()
    start = time.monotonic()
    try:
        fill(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _say(f"{folder.name}: made in {time.monotonic() - start:.0f} s")


def _install(folder: Path) -> None:
    for name in _LOCKED:
        shutil.copy(_PAGE / name, folder)
    _say("installing Grafana's components from npm, half a gigabyte")
    _run((NODE, NPM, "ci"), folder)


def _bundle(folder: Path) -> None:
    modules = _packages_folder() / "node_modules"
    command = (
        *(modules / "@esbuild" / _platform() / "bin" / "esbuild", _PAGE / "src" / "page.jsx"),
        *("--bundle", "--minify", "--jsx=automatic", "--log-level=warning"),
        *("--loader:.woff2=dataurl", "--loader:.ttf=dataurl", f"--outdir={folder}"),
    )
    _run(command, folder, NODE_PATH=str(modules))
    shutil.copy(_PAGE / "index.html", folder)
    public = folder / "public"
    shutil.copytree(modules / "@grafana" / "ui" / "dist" / "public", public / "build")
    _copy_fonts(modules / "@fontsource" / "inter" / "files", public / "fonts" / "inter")


def _copy_fonts(files: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, weight in _FONTS.items():
        shutil.copy(files / f"inter-latin-{weight}-normal.woff2", folder / f"{name}.woff2")


def _browser() -> Path:
    """Chromium; from the system's own packages where it is missing and this is root."""
    try:
        return chromium()
    except ChromiumMissingError:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise
    _say("installing Chromium with apt-get")
    for command in (
        ("apt-get", "update"),
        ("apt-get", "install", "--yes", "--no-install-recommends", "chromium"),
    ):
        _run(command, _cache(), DEBIAN_FRONTEND="noninteractive")
    return chromium()


def _platform() -> str:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    return f"{sys.platform}-{machine}"


def _run(command: tuple[str | Path, ...], folder: Path, **settings: str) -> None:
    failed = failure(
        command,
        folder=folder,
        environment=environment(**settings),
        log=folder / "build.log",
        still=lambda seconds: _say(f"still at work, {seconds:.0f} s"),
    )
    if failed:
        raise PageBuildError(f"`{' '.join(map(str, command[:3]))}` {failed}")


def _say(text: str) -> None:
    print(f"dashboards: {text}", flush=True)  # noqa: T201 -- the builder talks to people


def main() -> None:
    """Build what is missing; fail where there is no browser to draw with."""
    start = time.monotonic()
    try:
        folder, browser = build(), _browser()
    except (PageBuildError, ChromiumMissingError) as error:
        sys.exit(f"dashboards: {error}")
    _say(f"page in {folder}, drawn by {browser}, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
