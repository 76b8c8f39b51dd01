"""Names of everything that the operator exports."""

import re
from pathlib import Path

from v4operator.report.series import CATALOGUED, DEPLOYMENT, PROBLEMS, REPLICA, built

EXPORTED = {
    *(family.name for family in DEPLOYMENT),
    *(family.name for family in REPLICA),
    PROBLEMS.name,
    CATALOGUED.name,
    built("1").name,
}


def of_the_process() -> set[str]:
    """Those under the names of controller-runtime and client-go, as docs/metrics.md lists them."""
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    table = text.partition("<!-- process -->")[2].partition("<!-- end -->")[0]
    return set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
