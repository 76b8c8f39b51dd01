"""`python -m tests.dashboards.pictures` draws the pictures of the documentation anew."""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.dashboards.gallery import SICK, Gallery, board, gallery

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
_WIDTH = 1280
# The deployment's board is long; its first rows hold the story.
_SHOWN = (("v4-fleet", ".*", None), ("v4-deployment", SICK, 1224), ("v4-capacity", ".*", None))


def draw(shown: Gallery, folder: Path) -> None:
    """One picture for each board, named by its uid."""
    for uid, deployment, height in _SHOWN:
        shown.easel.draw(
            board(uid),
            shown.moment(deployment),
            width=_WIDTH,
            picture=folder / f"{uid}.png",
            picture_height=height,
        )


def main() -> None:
    """Takes about a minute; needs the rig and the page."""
    start = time.monotonic()
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="v4-pictures-") as folder, gallery(Path(folder)) as shown:
        draw(shown, FOLDER)
    sys.stdout.write(f"pictures in {FOLDER}, {time.monotonic() - start:.0f} s\n")


if __name__ == "__main__":
    main()
