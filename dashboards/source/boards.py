"""All boards, in the order in which a person meets them."""

from dashboards.source.capacity import capacity
from dashboards.source.deployment import deployment
from dashboards.source.fleet import fleet

BOARDS = (fleet, deployment, capacity)
