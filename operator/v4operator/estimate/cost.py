"""What a device costs now and what the hosted API would take for the same tokens. Pure look-ups.

The arithmetic of prices is in `economics`. What nobody has published is `None`, never 0.
"""

from datetime import UTC, datetime

from v4operator.catalogue.resolve import find_accelerator, find_checkpoint
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import Deployment
from v4operator.model.published import ApiPrice
from v4operator.model.replica import Phase, Replica

# The hosted API's peak hours, UTC, on weekdays: 01:00 to 04:00 and 06:00 to 10:00
# (api-docs.deepseek.com pricing, 2026-08-16).
_PEAK_HOURS = frozenset({1, 2, 3, 6, 7, 8, 9})
_SATURDAY = 5

_HOLDS_NO_DEVICE = frozenset({Phase.PENDING, Phase.UNSCHEDULABLE})


def device_usd_per_hour(deployment: Deployment, catalogue: Catalogue) -> float | None:
    """US dollars for one device and hour: the user's figure, else the catalogue's on demand."""
    own = deployment.cost.device_usd_per_hour
    if own is not None:
        return own
    device = find_accelerator(catalogue, deployment.memory.accelerator)
    price = device.price_usd_per_hour if device else None
    return price.value if price else None


def api_price(deployment: Deployment, catalogue: Catalogue, now: float) -> ApiPrice | None:
    """What the hosted API takes at `now` (Unix seconds) for the model that is served.

    At list price, of the window of the day that `now` is in; the user's own rows go first.
    """
    served = find_checkpoint(catalogue, deployment.memory.checkpoint)
    if served is None:
        return None
    moment = datetime.fromtimestamp(now, UTC)
    windows = {"all", "peak" if _is_peak(moment) else "off-peak"}
    day = moment.date().isoformat()
    in_force = [
        row
        for row in catalogue.published.api_prices
        if row.product == served.family
        and row.terms == "list"
        and row.window in windows
        and row.since[:10] <= day
        and (row.until is None or day < row.until[:10])
    ]
    return max(in_force, key=lambda row: row.since, default=None)


def devices_held(replicas: tuple[Replica, ...], devices: int) -> int:
    """Devices that replicas of `devices` each occupy: whoever was placed holds them until gone."""
    return devices * sum(replica.phase not in _HOLDS_NO_DEVICE for replica in replicas)


def _is_peak(moment: datetime) -> bool:
    return moment.weekday() < _SATURDAY and moment.hour in _PEAK_HOURS
