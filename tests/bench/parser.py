"""Our exposition parser beside `prometheus_client`'s, on the recorded texts, in one process.

Both read the same text for the same names. Ours gives name, labels and value of each wanted sample;
prometheus_client has no selection, so it reads everything, as any user of it does. The two run in
turns, what counts is CPU time, and of each the fastest round: a busy machine changes little.
`python tests/bench/parser.py`; status 1 where the geometric mean or a file is below its bar.
"""

import sys
from collections import deque
from collections.abc import Callable
from math import prod
from pathlib import Path
from time import process_time

from prometheus_client.parser import text_string_to_metric_families

from v4operator.observe.engines import WANTED, read
from v4operator.observe.exposition import parse

_FOLDER = Path(__file__).parents[1] / "data/expositions"
_ROUNDS = 12
_OURS_A_ROUND = 5  # ours is short: more of it make its minimum as sure as the other's
_MEAN_BAR = 25.0
_FILE_BAR = 15.0


def main() -> int:
    """Print the ratio of each file, their geometric mean and minimum."""
    ratios = [_ratio(path) for path in sorted(_FOLDER.glob("*.txt"))]
    mean = prod(ratios) ** (1 / len(ratios))
    print(f"{len(ratios)} files: geometric mean {mean:.1f}x, lowest {min(ratios):.1f}x")
    print(f"bars: geometric mean {_MEAN_BAR:.0f}x, every file {_FILE_BAR:.0f}x")
    return int(mean < _MEAN_BAR or min(ratios) < _FILE_BAR)


def _ratio(path: Path) -> float:
    raw = path.read_bytes()
    text = raw.decode()
    theirs = ours = whole = float("inf")
    for _ in range(_ROUNDS):
        theirs = min(theirs, _seconds(lambda: deque(text_string_to_metric_families(text), 0)))
        for _ in range(_OURS_A_ROUND):
            ours = min(ours, _seconds(lambda: parse(raw, WANTED)))
            whole = min(whole, _seconds(lambda: read(raw)))
    ratio = theirs / ours
    print(
        f"{path.stem:52} {ratio:5.1f}x   {theirs * 1e3:6.2f} ms / {ours * 1e3:5.3f} ms"
        f"   whole reading {whole * 1e3:5.3f} ms"
    )
    return ratio


def _seconds(run: Callable[[], object]) -> float:
    start = process_time()
    run()
    return process_time() - start


if __name__ == "__main__":
    sys.exit(main())
