"""The tables of what is exported: of the operator, of a deployment, of a replica.

Base units, no colons, a series only where the figure is known. Deployment and replica names are
label values; whatever else varies without bound (messages, URLs, revisions) is not.
"""

from v4operator.report.families import Family
from v4operator.report.seen import Seen
from v4operator.report.series.catalogued import CATALOGUED, DEPLOYED, built
from v4operator.report.series.load import LOAD
from v4operator.report.series.memory import MEMORY
from v4operator.report.series.money import MONEY
from v4operator.report.series.promises import PROMISES
from v4operator.report.series.replica import REPLICA
from v4operator.report.series.scaling import PROBLEMS, SCALING

DEPLOYMENT_LABELS = ("namespace", "v4deployment")
REPLICA_LABELS = (*DEPLOYMENT_LABELS, "replica")

DEPLOYMENT: tuple[Family[Seen], ...] = (*DEPLOYED, *SCALING, *LOAD, *PROMISES, *MEMORY, *MONEY)

__all__ = [
    "CATALOGUED",
    "DEPLOYMENT",
    "DEPLOYMENT_LABELS",
    "PROBLEMS",
    "REPLICA",
    "REPLICA_LABELS",
    "built",
]
