"""Draws dashboards in Chromium with Grafana's own components, and tells what is on the page."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from tests.dashboards.build import site
from tests.dashboards.moment import Moment
from tests.dashboards.toolchain import chromium
from tests.rig.addresses import Block

# A browser that asks nobody for anything but the page and Prometheus.
_ARGUMENTS = (
    "--no-sandbox",  # tests run as root in containers, where Chromium's sandbox cannot
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--font-render-hinting=none",
)
_DRAW_MILLISECONDS = 90_000.0  # a board takes two seconds; this is for a machine that is busy

_CELL_PIXELS = 38  # Grafana's grid: 30 for the cell, 8 between two
_HEADING_PIXELS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a board shows: its panels as the page measured them, and what the console said."""

    panels: tuple[Mapping[str, Any], ...]
    marks: Mapping[str, int]
    complaints: tuple[str, ...]

    def panel(self, title: str) -> Mapping[str, Any]:
        """The panel of that title."""
        return next(panel for panel in self.panels if panel["title"] == title)


class Easel:
    """A browser with the built page, and a Prometheus behind it."""

    def __init__(self, browser: Browser, page_url: str, prometheus_url: str) -> None:
        self._browser = browser
        self._page_url = page_url
        self._prometheus_url = prometheus_url

    def draw(
        self,
        board: Mapping[str, Any],
        moment: Moment,
        *,
        theme: str = "dark",
        width: int = 1280,
        picture: Path | None = None,
        picture_height: int | None = None,
    ) -> Drawn:
        """Draw one board; `theme` is dark or light, width and height in pixels."""
        context = self._browser.new_context(viewport={"width": width, "height": _height(board)})
        context.set_default_timeout(_DRAW_MILLISECONDS)
        page, complaints = context.new_page(), list[str]()
        _listen(page, complaints)
        try:
            page.goto(self._page_url)
            told = page.evaluate(
                "request => window.draw(request)", self._request(board, moment, theme)
            )
            if picture:
                height = picture_height or _height(board)
                page.screenshot(
                    path=picture, clip={"x": 0, "y": 0, "width": width, "height": height}
                )
        finally:
            context.close()
        return Drawn(
            panels=tuple(told["panels"]), marks=told["marks"], complaints=tuple(complaints)
        )

    def _request(self, board: Mapping[str, Any], moment: Moment, theme: str) -> dict[str, Any]:
        return {
            "board": moment.fill(board),
            "prometheus": self._prometheus_url,
            "from": moment.start,
            "to": moment.end,
            "step": moment.step,
            "theme": theme,
        }


@contextmanager
def easel(prometheus_url: str, block: Block) -> Iterator[Easel]:
    """A browser that is ready to draw.

    Raises:
        ChromiumMissingError: there is none on this machine.
        FileNotFoundError: the page has not been built.
    """
    with ExitStack() as open_until_done:
        page_url = open_until_done.enter_context(_served(site(), block))
        playwright = open_until_done.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=list(_ARGUMENTS), timeout=_DRAW_MILLISECONDS
        )
        open_until_done.callback(browser.close)
        yield Easel(browser, page_url, prometheus_url)


def _height(board: Mapping[str, Any]) -> int:
    """Tall enough for the whole board: tables draw only the rows that are in view."""
    cells = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    return int(cells) * _CELL_PIXELS + _HEADING_PIXELS


def _listen(page: Page, complaints: list[str]) -> None:
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"not loaded: {request.url}"))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
        """Nothing: a test's output is not an access log."""


@contextmanager
def _served(folder: Path, block: Block) -> Iterator[str]:
    server = ThreadingHTTPServer((block.host, 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{block.host}:{server.server_port}/index.html"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
