"""`python -m dashboards.source` writes the dashboards anew."""

from pathlib import Path

from dashboards.source.board import as_json
from dashboards.source.boards import BOARDS

FOLDER = Path(__file__).parent.parent


def main() -> None:
    """One file for each board, named by its uid."""
    for make in BOARDS:
        made = make()
        (FOLDER / f"{made.uid}.json").write_text(as_json(made))


if __name__ == "__main__":
    main()
