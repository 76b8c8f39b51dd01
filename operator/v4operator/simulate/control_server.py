"""The control API of the emulation: the clock, the fleets, their counts, faults and the truth.

Stands where a cluster's API server would: reads of the workload, conditional writes of the count.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from v4operator.model.deployment import Key
from v4operator.model.problem import InputError, Problem
from v4operator.simulate.emulation import Emulation
from v4operator.simulate.fields import Fields
from v4operator.simulate.fleet import Conflict, Fleet, Unacceptable
from v4operator.simulate.scenario import read_faults

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _NotFound(Exception):  # noqa: N818 - an expected outcome
    """No such fleet or replica; the message names it."""


def control_app(emulation: Emulation) -> web.Application:
    """The application; whoever calls this serves it."""
    api = _Api(emulation)
    app = web.Application(middlewares=[_refusals])
    fleet = "/v1/fleets/{namespace}/{name}"
    app.router.add_get("/v1/clock", api.clock)
    app.router.add_get("/v1/fleets", api.fleets)
    app.router.add_get(fleet, api.fleet)
    app.router.add_get(f"{fleet}/truth", api.truth)
    app.router.add_put(f"{fleet}/replicas", api.set_replicas)
    app.router.add_put(f"{fleet}/replicas/{{replica}}/routable", api.set_routable)
    app.router.add_put(f"{fleet}/replicas/{{replica}}/faults", api.set_faults)
    return app


@web.middleware
async def _refusals(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Expected outcomes as statuses: 404 nothing there, 409 somebody was faster, 422 nonsense."""
    try:
        return await handler(request)
    except _NotFound as missing:
        return web.json_response({"error": str(missing)}, status=404)
    except Conflict as conflict:
        return web.json_response({"error": str(conflict)}, status=409)
    except (Unacceptable, InputError, json.JSONDecodeError) as wrong:
        return web.json_response({"error": str(wrong)}, status=422)


class _Api:
    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation

    async def clock(self, _: web.Request) -> web.Response:
        clock = self._emulation.clock
        return web.json_response(
            {"epoch": clock.epoch, "origin": clock.origin, "speed": clock.speed}
        )

    async def fleets(self, _: web.Request) -> web.Response:
        keys = [{"namespace": k.namespace, "name": k.name} for k in self._emulation.fleets]
        return web.json_response({"fleets": keys})

    async def fleet(self, request: web.Request) -> web.Response:
        return web.json_response(self._describe(self._find(request)))

    async def truth(self, request: web.Request) -> web.Response:
        fleet = self._find(request)
        try:
            since = float(request.query.get("since", "-inf"))
        except ValueError as wrong:
            raise Unacceptable(f"since: {wrong}, allowed: Unix seconds") from wrong
        judgement = fleet.truth.judge(since)
        return web.json_response(
            {
                "attainment": judgement.attainment,
                "requests": judgement.requests,
                "missed": judgement.missed,
                "ttftP50": judgement.ttft_p50,
                "ttftP95": judgement.ttft_p95,
                "itlP50": judgement.itl_p50,
                "itlP95": judgement.itl_p95,
                "objectiveBrokenAt": fleet.truth.broken_at(since),
                "demandRequestsPerSecond": fleet.demand(),
                "cutStreams": fleet.truth.cut_streams,
            }
        )

    async def set_replicas(self, request: web.Request) -> web.Response:
        fleet, fields, problems = self._find(request), *await _body(request)
        count = fields.whole("count")
        expected = fields.whole("expected")
        version = fields.text("version")
        victim = fields.text("victim") if "victim" in fields else None
        _refuse(fields, problems)
        fleet.set_replicas(
            self._emulation.clock.now(),
            count=count,
            expected=expected,
            version=version,
            victim=victim,
        )
        await self._emulation.follow()
        return web.json_response(self._describe(fleet))

    async def set_routable(self, request: web.Request) -> web.Response:
        fleet, fields, problems = self._find(request), *await _body(request)
        if "routable" not in fields:
            fields.complain("routable", None, "true or false")
        routable = fields.flag("routable")
        _refuse(fields, problems)
        name = request.match_info["replica"]
        if not fleet.set_routable(self._emulation.clock.now(), name, routable=routable):
            raise _NotFound(f"no replica {name} in {fleet.spec.key}")
        return web.json_response(self._describe(fleet))

    async def set_faults(self, request: web.Request) -> web.Response:
        fleet, fields, problems = self._find(request), *await _body(request)
        name = request.match_info["replica"]
        member = fleet.member(name)
        if member is None:
            raise _NotFound(f"no replica {name} in {fleet.spec.key}")
        faults = read_faults(fields, member.faults)
        _refuse(fields, problems)
        fleet.set_faults(self._emulation.clock.now(), name, faults)
        await self._emulation.follow()
        return web.json_response(self._describe(fleet))

    def _find(self, request: web.Request) -> Fleet:
        key = Key(request.match_info["namespace"], request.match_info["name"])
        fleet = self._emulation.fleet(key)
        if fleet is None:
            raise _NotFound(f"no fleet {key}")
        return fleet

    def _describe(self, fleet: Fleet) -> dict[str, Any]:
        replicas = [
            {
                "name": member.name,
                "address": self._emulation.address(fleet, member),
                "phase": str(member.phase),
                "createdAt": member.created_at,
                "readyAt": member.ready_at,
                "routable": member.routable,
                "reason": member.reason,
            }
            for member in fleet.members
        ]
        return {"desired": fleet.desired, "version": fleet.version, "replicas": replicas}


async def _body(request: web.Request) -> tuple[Fields, list[Problem]]:
    problems: list[Problem] = []
    body = await request.json()
    return Fields(body, where="body", path="", problems=problems), problems


def _refuse(fields: Fields, problems: list[Problem]) -> None:
    fields.close()
    if problems:
        raise InputError(problems)
