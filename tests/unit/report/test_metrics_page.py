"""docs/metrics.md is what the tables say, and says how many series there are."""

from tests.exported import everything_known
from tests.metrics_page import DEPLOYMENTS, PAGE, REPLICAS, page, series_of

SERIES_OF_A_DEPLOYMENT = 150
SERIES_OF_A_REPLICA = 70
"""What a Prometheus is to be sized for. A family that takes more has to be worth it."""


def test_the_page_is_made_of_the_tables() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "make it anew: python -m tests.metrics_page"


def test_series_grow_with_deployments_and_replicas_and_stay_within_what_was_planned() -> None:
    series = series_of(DEPLOYMENTS, REPLICAS)
    assert series <= DEPLOYMENTS * (SERIES_OF_A_DEPLOYMENT + REPLICAS * SERIES_OF_A_REPLICA)
    assert f" {series:,} series:" in PAGE.read_text(encoding="utf-8")


def test_nothing_of_a_full_fleet_lacks_a_series() -> None:
    """What the page counts is really everything; findings are not everything known."""
    empty = {family.name for family in everything_known(1, 1).collect() if not family.samples}
    assert empty <= {"v4_deployment_problems"}
