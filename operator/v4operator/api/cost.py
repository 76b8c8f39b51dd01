"""`spec.cost`: what a device costs and what the fleet may cost. It is reported, never scaled on."""

from typing import Annotated

from pydantic import Field

from v4operator.api.fields import Spec

# A thousand devices at a thousand dollars an hour: above that somebody has typed something else.
_MOST_USD_PER_HOUR = 1_000_000


class CostSpec(Spec):
    """Money, in US dollars an hour."""

    device_per_hour: Annotated[
        float | None,
        Field(
            gt=0,
            le=_MOST_USD_PER_HOUR,
            description="US dollars for one device and hour. Default: the catalogue's price of the "
            "product on demand, where it has one.",
        ),
    ] = None
    budget_per_hour: Annotated[
        float | None,
        Field(
            gt=0,
            le=_MOST_USD_PER_HOUR,
            description="US dollars an hour that all replicas together may cost: an alert above "
            "it. Default: none. maxReplicas bounds the count.",
        ),
    ] = None
