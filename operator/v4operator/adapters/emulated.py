"""A fleet of emulated replicas as a workload: read, written and timed through its control API."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from v4operator.act.ports import Outcome
from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.fetch import Answer, ConnectError, Fetcher, FetchError, Limits
from v4operator.model.deployment import Deployment, Key
from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.replica import Phase, Replica, Workload
from v4operator.observe.ports import WorkloadUnavailable, WorkloadView
from v4operator.runtime.clock import AcceleratedClock

_LIMITS = Limits(seconds=5.0, body_bytes=2**20)
"""The control API answers from memory; a fleet of a thousand replicas makes some 200 kB."""

_ATTEMPTS = 3
"""A server that is being started is reached at the second or third; after that it is not there."""

_FIRST_WAIT_SECONDS = 0.1

_OUTCOMES: dict[int, Outcome] = {
    HTTPStatus.OK: Outcome.DONE,
    HTTPStatus.CONFLICT: Outcome.CONFLICT,
}
"""What the statuses of a write mean; any other one is a refusal."""

_Parsed = TypeVar("_Parsed", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class _ClockBody(_Body):
    epoch: float
    origin: float
    speed: float


class _ReplicaBody(_Body):
    name: str
    address: str
    phase: Phase
    created_at: float
    ready_at: float | None = None
    routable: bool = True
    reason: str | None = None


class _FleetBody(_Body):
    desired: int
    version: str
    replicas: tuple[_ReplicaBody, ...]


class EmulatedFleets:
    """Implements `WorkloadView` and `WorkloadWriter` over the control API at `control_url`.

    A deployment that has no emulated fleet is read through `otherwise`.
    """

    def __init__(self, control_url: str, otherwise: WorkloadView) -> None:
        self._control_url = control_url.rstrip("/")
        self._otherwise = otherwise
        self._fetcher = Fetcher(AddressPolicy(allow_loopback=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the sockets."""
        await self._fetcher.aclose()

    async def read(self, deployment: Deployment) -> Workload:
        """The fleet as the control API tells it.

        Raises:
            WorkloadUnavailable: it could not be read; the message says why.
        """
        try:
            answer = await self._fetch("GET", _fleet_path(deployment.key))
            if answer.status == HTTPStatus.NOT_FOUND:
                return await self._otherwise.read(deployment)
            fleet = _parsed(answer, _FleetBody)
        except FetchError as error:
            raise WorkloadUnavailable(f"emulated fleet {deployment.key}: {error}") from error
        return Workload(
            desired=fleet.desired,
            version=fleet.version,
            replicas=tuple(Replica(**dict(replica)) for replica in fleet.replicas),
        )

    async def write(self, key: Key, effect: Effect) -> tuple[Outcome, str]:
        """Carry out one effect; the control API checks its precondition."""
        path, body, done = _request(key, effect)
        try:
            answer = await self._fetch("PUT", path, body)
        except FetchError as error:
            return Outcome.REFUSED, f"emulated fleet {key}: {error}"
        outcome = _OUTCOMES.get(answer.status, Outcome.REFUSED)
        if outcome is Outcome.DONE:
            return outcome, done
        return outcome, f"HTTP {answer.status}: {answer.body[:200].decode(errors='replace')}"

    async def _fetch(self, method: str, path: str, body: object = None) -> Answer:
        return await _persistently(
            lambda: self._fetcher.fetch(
                f"{self._control_url}{path}", limits=_LIMITS, method=method, json=body
            )
        )


async def emulated_clock(control_url: str) -> AcceleratedClock:
    """The clock that the emulated replicas run on.

    Raises:
        WorkloadUnavailable: the control API could not be read.
    """
    url = f"{control_url.rstrip('/')}/v1/clock"
    try:
        async with Fetcher(AddressPolicy(allow_loopback=True)) as fetcher:
            answer = await _persistently(lambda: fetcher.fetch(url, limits=_LIMITS))
        body = _parsed(answer, _ClockBody)
    except FetchError as error:
        raise WorkloadUnavailable(f"clock of the emulated fleets: {error}") from error
    return AcceleratedClock(epoch=body.epoch, origin=body.origin, speed=body.speed)


async def _persistently(request: Callable[[], Awaitable[Answer]]) -> Answer:
    """Repeat what had no effect because nobody was reached, and nothing else."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(ConnectError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential(multiplier=_FIRST_WAIT_SECONDS),
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            return await request()
    raise AssertionError("the last attempt returns or raises")


def _parsed(answer: Answer, body: type[_Parsed]) -> _Parsed:
    if answer.status != HTTPStatus.OK:
        raise FetchError(f"HTTP {answer.status}")
    try:
        return body.model_validate_json(answer.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise FetchError(f"unexpected answer: {place}: {first['msg']}") from None


def _fleet_path(key: Key) -> str:
    return f"/v1/fleets/{quote(key.namespace, safe='')}/{quote(key.name, safe='')}"


def _request(key: Key, effect: Effect) -> tuple[str, dict[str, object], str]:
    """Path and body of a write, and the sentence for when it is done."""
    match effect:
        case SetReplicas():
            body: dict[str, object] = {
                "count": effect.count,
                "expected": effect.expected,
                "version": effect.version,
                "victim": effect.victim,
            }
            done = f"replicas {effect.expected} -> {effect.count}"
            return f"{_fleet_path(key)}/replicas", body, done
        case SetRoutable():
            path = f"{_fleet_path(key)}/replicas/{quote(effect.replica, safe='')}/routable"
            done = f"{effect.replica} {'in' if effect.routable else 'out of'} routing"
            return path, {"routable": effect.routable}, done
