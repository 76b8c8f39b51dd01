"""The steps in their order. Each waits for what it shows, so that busy cores only delay it."""

from typing import Any

from tests.demo_cluster.stage import FLEET_NAMESPACE, OPERATOR_NAMESPACE, Stage
from tests.demo_cluster.teller import Teller
from tests.e2e.operator_process import leads, status_of

from v4operator.crdgen.admission import TABLE_NAME
from v4operator.simulate.member import Faults

_FLEET = "flash"
_BASE = ("namespace", "crd", "service-account", "roles", "admission")
_FLEET_FILE = "tests/demo_cluster/flash.yaml"
_TOO_BIG_FILE = "manifests/examples/flash-guide-2xh100.yaml"
_LEAST = 3  # minReplicas of the manifest: as many as it takes to tell that one differs
_CALM, _BUSY = 6.0, 30.0  # requests a second; a replica carries about ten
# Less would gather more requests than its peers have, and be compared with them only later.
_SICK_SPEED = 0.7
_LAST_EVENTS = 12  # lines of `describe`


def tell(stage: Stage, teller: Teller) -> None:
    """The whole story."""
    _install(stage, teller)
    _warn(stage, teller)
    _serve(stage, teller)
    _grow(stage, teller)
    _explain(stage, teller)
    _fall_sick(stage, teller)
    _look_back(teller)


def _install(stage: Stage, teller: Teller) -> None:
    teller.step(
        "The operator is installed",
        "definition, rights and admission policies as a cluster gets them; it writes a table of"
        " memory figures that the policies look up.",
    )
    files = (f"manifests/base/{name}.yaml" for name in _BASE)
    words = [word for file in files for word in ("-f", file)]
    applied = teller.command("apply", "--server-side", *words, tail=4)
    teller.promise("the manifests are taken", holds=applied.status == 0)
    stage.start_operator()
    teller.await_promise("the operator leads", lambda: leads(stage.operator) or None)
    table = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/configmaps/{TABLE_NAME}"
    teller.await_promise(
        "its table of memory figures is there",
        lambda: stage.plane.api.get(table).is_success or None,
    )


def _warn(stage: Stage, teller: Teller) -> None:
    teller.step(
        "A manifest that cannot fit is told so at once",
        "the warning: 8 requests of 36K tokens on two H100 are a guide's example, and the weights"
        " alone are too big.",
    )
    words = ("apply", "--dry-run=server", "-f", _TOO_BIG_FILE)
    teller.await_promise(  # the API server takes a moment to put policies into force
        "whoever applies it is warned, with figures",
        lambda: "Does not fit: weights of" in stage.run(*words).text or None,
    )
    teller.command(*words)


def _serve(stage: Stage, teller: Teller) -> None:
    teller.step(
        "A fleet is applied, and served",
        "DESIRED: the minimum, because that carries the load; HBM: needed / budget of a device.",
    )
    teller.command("apply", "-f", _FLEET_FILE)
    teller.await_promise(
        "its replicas are ready, their metrics read", lambda: _fresh(stage, _LEAST)
    )
    stage.engines.load(_CALM)
    teller.say(f"clients begin to send {_CALM:.0f} requests a second")
    teller.await_promise("the speed of its engines is read", lambda: _has_speed(stage))
    teller.command("get", "v4")
    teller.command("get", "pods", "-L", "v4serving.dev/routable")


def _grow(stage: Stage, teller: Teller) -> None:
    teller.step(
        "Demand rises fivefold",
        "DESIRED and READY: new replicas are asked for in one step, before a queue builds up.",
    )
    stage.engines.load(_BUSY)
    teller.say(f"clients send {_BUSY:.0f} requests a second")
    teller.await_promise("the operator asks for more", lambda: _desired(stage) > _LEAST or None)
    teller.command("get", "v4")
    teller.await_promise("they serve", lambda: _fresh(stage, _desired(stage)))
    teller.command("get", "v4")


def _explain(stage: Stage, teller: Teller) -> None:
    teller.step(
        "Why that many?",
        "the sentence on top, the formula, and every input with its age.",
    )
    address = _operator_option(stage)
    teller.say(
        "--operator: this cluster cannot proxy to a loopback address; yours needs no option."
    )
    explained = teller.command("v4", "explain", _FLEET, *address)
    teller.promise("explain has a formula", holds="a replica carries" in explained.text)


def _fall_sick(stage: Stage, teller: Teller) -> None:
    teller.step(
        "One replica loses a third of its speed",
        "the red row: EXP is what it should decode at its batch and context, EFF what it does of"
        " it. It is named, not killed.",
    )
    top = ("v4", "top", _FLEET, *_operator_option(stage))
    sick = stage.engines.serving[0]
    stage.engines.fail(sick, Faults(speed_factor=_SICK_SPEED))
    teller.say(
        f"the engine of {sick} slows down; the first three minutes of an engine judge nothing"
    )
    teller.command(*top)
    teller.await_promise(f"the sick replica is named: {sick}", lambda: _names(stage, sick))
    shown = teller.command(*top)
    teller.promise("top shows it first", holds=_first_replica(shown.text) == sick)
    teller.command("get", "v4")


def _look_back(teller: Teller) -> None:
    teller.step("What happened", "the events, one for each thing that changed.")
    told = teller.command("describe", "v4", _FLEET, tail=_LAST_EVENTS)
    for reason in ("ScaledUp", "SickReplica"):
        teller.promise(f"an event says {reason}", holds=reason in told.text)


def _operator_option(stage: Stage) -> tuple[str, ...]:
    return ("--operator", stage.operator_url() or "")


def _status(stage: Stage) -> dict[str, Any]:
    return status_of(stage.plane, FLEET_NAMESPACE, _FLEET)


def _desired(stage: Stage) -> int:
    count: int = _status(stage).get("desiredReplicas") or 0
    return count


def _fresh(stage: Stage, count: int) -> bool | None:
    return _status(stage).get("observed", {}).get("freshReplicas") == count or None


def _has_speed(stage: Stage) -> bool | None:
    return bool(_status(stage).get("observed", {}).get("decodeTokensPerSecond")) or None


def _names(stage: Stage, replica: str) -> bool | None:
    told = _status(stage).get("throughput", {})
    return (told.get("verdict") == "SickReplica" and replica in told["sentence"]) or None


def _first_replica(top: str) -> str:
    """Of what `top` prints: below the fleet's line and the heading."""
    lines = top.splitlines()
    at = next((n for n, line in enumerate(lines) if line.startswith("REPLICA")), len(lines))
    return lines[at + 1].split()[0] if at + 1 < len(lines) else ""
