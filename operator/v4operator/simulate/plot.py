"""A picture of a run: replicas and demand over time, beside the clairvoyant fleet.

Needs matplotlib, which comes with the extra `simulate`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from v4operator.simulate.fast.fluid import SLOT_SECONDS, demand
from v4operator.simulate.fast.truths import true_step
from v4operator.simulate.ground import Ground
from v4operator.simulate.harness import Run
from v4operator.simulate.score import Bounds

_HOUR_SECONDS = 3600.0
_WIDTH_INCHES, _LEAST_INCHES, _PANEL_INCHES = 10.0, 3.0, 1.5
_DOTS_PER_INCH = 110


def draw(
    path: Path, title: str, runs: Mapping[str, Run], ground: Ground, bounds: Bounds | None
) -> None:
    """Write the picture as PNG: a panel a run, as counts that change every minute hide each other.

    Raises:
        OSError: the file cannot be written.
    """
    height = max(_LEAST_INCHES, 0.8 + _PANEL_INCHES * len(runs))
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(runs), squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, (name, run) in zip(panels, runs.items(), strict=True):
        _background(axes, ground, bounds)
        _counts(axes, name, run, ground.trace.duration)
    panels[-1].set_xlabel("hours")
    panels[0].set_ylim(0, None)
    panels[0].set_xlim(0, ground.trace.duration / _HOUR_SECONDS)
    figure.suptitle(title)
    figure.supylabel("replicas", fontsize="medium")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path)


def _background(axes: Axes, ground: Ground, bounds: Bounds | None) -> None:
    """The work that arrives, in replicas, and the clairvoyant fleet."""
    law = true_step(ground.setting.profile, ground.setting.truth)
    work = demand(ground.trace, law, ground.setting.tpot_seconds)
    slots = np.arange(len(work)) * SLOT_SECONDS / _HOUR_SECONDS
    axes.fill_between(slots, work, step="post", color="#d0d4d8", label="work that arrives")
    if bounds is not None and bounds.schedule:
        at = np.arange(len(bounds.schedule)) * bounds.slot_seconds / _HOUR_SECONDS
        axes.step(at, bounds.schedule, where="post", color="black", lw=0.8, label="clairvoyant")


def _counts(axes: Axes, name: str, run: Run, end_seconds: float) -> None:
    """Billed replicas to the end; what they were worth stands above the panel."""
    series = run.result.series
    within = series.time <= end_seconds
    billed = series.billed[within]
    axes.step(
        np.append(series.time[within], end_seconds) / _HOUR_SECONDS,
        np.append(billed, billed[-1:]),
        where="post",
        color="#0b6e99",
        lw=0.9,
        label="billed replicas",
    )
    worth = f"{run.result.attainment:.2%} in time, {run.result.gpu_hours:,.0f} GPU-hours"
    axes.set_title(f"{name}: {worth}", loc="left", fontsize="small")
