"""`plan --demand`: what was typed -> a workload, with every default and mistake told.

How the answer looks is `plan_demand_view`'s; what it is, `estimate.sizing`'s.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic_core import PydanticCustomError

from v4operator.api.quantity import parse_duration
from v4operator.estimate.economics import Traffic
from v4operator.estimate.sizing import Sizing, Workload, relevant_profiles
from v4operator.estimate.thinking import THINK_MAX_CONTEXT_TOKENS, Thinking, context_finding
from v4operator.model.catalogue import Catalogue, Checkpoint
from v4operator.model.deployment import MemoryPlan, Objectives
from v4operator.model.hbm import Finding
from v4operator.model.problem import InputError, Problem

_RATE = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,9})?)\s?(?P<unit>rps|rpm|)")
_PER_SECOND = {"": 1.0, "rps": 1.0, "rpm": 1.0 / 60.0}
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)%")
_ATTAINMENT = 0.99  # the resource's own default
# The shape of published benchmarks (SGLang cookbook v0.5.15), where no length and no mode is named.
_PROMPT_TOKENS, _ANSWER_TOKENS = 8192, 1024
_LEAST_CONTEXT = 4096
_LENGTHS_ABOVE_MEAN = 2  # lengths scatter: the maximum context is at least twice the mean request


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A demand as it was typed; `None` where it was not.

    `count` is the number of devices of a replica, `as_of` the day that ages are counted to.
    """

    demand: str
    prompt: int | None
    answer: int | None
    cache_hits: str | None
    objective_ttft: str
    objective_itl: str
    mode: Thinking | None
    count: int | None
    as_of: datetime | None


def workload_of(asked: Asked, known: Catalogue) -> Workload:
    """The demand in requests, tokens and seconds.

    Raises:
        InputError: an amount that cannot be read.
    """
    return Workload(
        requests_per_second=_rate(asked.demand),
        traffic=Traffic(
            prompt_tokens=float(asked.prompt or _PROMPT_TOKENS),
            answer_tokens=float(asked.answer or _prior_answer(asked.mode, known)),
            cache_hit_ratio=_share(asked.cache_hits),
        ),
        objectives=Objectives(
            ttft_seconds=_seconds(asked.objective_ttft, "--objective-ttft"),
            inter_token_latency_seconds=_seconds(asked.objective_itl, "--objective-itl"),
            attainment=_ATTAINMENT,
        ),
    )


def context_of(workload: Workload, mode: Thinking | None, checkpoint: Checkpoint) -> int:
    """The maximum context that is planned where none was named: a power of two above the mean."""
    wanted = max(_LEAST_CONTEXT, _LENGTHS_ABOVE_MEAN * round(workload.traffic.total_tokens))
    tokens = 1 << (wanted - 1).bit_length()
    if mode is Thinking.THINK_MAX:
        tokens = max(tokens, THINK_MAX_CONTEXT_TOKENS)
    return min(tokens, checkpoint.max_context_tokens)


def demand_findings(
    plan: MemoryPlan, mode: Thinking | None, found: Sequence[Sizing], known: Catalogue
) -> Iterator[Finding]:
    """What is to be said of the demand as a whole: a short context, nothing published."""
    short = context_finding(mode, plan.max_context_tokens or 0)
    if short is not None:
        yield short
    if not found:
        anywhere = relevant_profiles(replace(plan, accelerator=""), known)
        published = sorted({f"{p.devices} x {p.accelerator}" for p in anywhere})
        yield Finding(
            reason="NoPerformanceProfile",
            message=f"No throughput of {plan.checkpoint} is published for these devices, "
            "and speed is not carried over from others.",
            hint=f"Published: {', '.join(published) or 'none'}.",
        )


def _prior_answer(mode: Thinking | None, known: Catalogue) -> float:
    lengths = {row.mode: row.tokens.value for row in known.published.answer_lengths}
    return _ANSWER_TOKENS if mode is None else lengths.get(mode, _ANSWER_TOKENS)


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text.strip())
    rate = float(match["number"]) * _PER_SECOND[match["unit"]] if match else 0.0
    if rate <= 0.0:
        raise _refused("--demand", text, "a rate above 0, such as 12rps or 90rpm")
    return rate


def _share(text: str | None) -> float:
    if text is None:
        return 0.0
    match = _SHARE.fullmatch(text.strip())
    share = float(match[1]) / 100 if match else 2.0
    if share > 1.0:
        raise _refused("--cache-hits", text, "0% to 100%")
    return share


def _seconds(text: str, flag: str) -> float:
    try:
        seconds = parse_duration(text)
    except PydanticCustomError as error:
        context = error.context or {}
        allowed = str(context.get("allowed", error.message()))
        raise _refused(flag, text, allowed, context.get("nearest")) from error
    if seconds <= 0.0:
        raise _refused(flag, text, "more than 0")
    return seconds


def _refused(flag: str, found: str, allowed: str, hint: str | None = None) -> InputError:
    return InputError(
        [Problem(where=flag, path="", found=repr(found), allowed=allowed, nearest=hint)]
    )
