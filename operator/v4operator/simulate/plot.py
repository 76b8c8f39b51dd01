"""A picture of a run: replicas and demand over time, beside the clairvoyant fleet.

Needs matplotlib, which comes with the extra `simulate`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from v4operator.simulate.fast.fluid import SLOT_SECONDS, demand
from v4operator.simulate.fast.truths import true_step
from v4operator.simulate.ground import Ground
from v4operator.simulate.harness import Run
from v4operator.simulate.score import Bounds

_HOUR_SECONDS = 3600.0
_SIZE_INCHES = (10.0, 4.0)
_DOTS_PER_INCH = 110
_COLOURS = ("#0b6e99", "#c2571a", "#5b8c3a", "#7a4d9e", "#a08000")


def draw(
    path: Path, title: str, runs: Mapping[str, Run], ground: Ground, bounds: Bounds | None
) -> None:
    """Write the picture as PNG.

    Raises:
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    work = demand(
        ground.trace,
        true_step(ground.setting.profile, ground.setting.truth),
        ground.setting.tpot_seconds,
    )
    slots = np.arange(len(work)) * SLOT_SECONDS / _HOUR_SECONDS
    axes.fill_between(slots, work, step="post", color="#d0d4d8", label="work that arrives")
    if bounds is not None and bounds.schedule:
        at = np.arange(len(bounds.schedule)) * bounds.slot_seconds / _HOUR_SECONDS
        axes.step(at, bounds.schedule, where="post", color="black", lw=0.8, label="clairvoyant")
    for index, (name, run) in enumerate(runs.items()):
        series = run.result.series
        label = f"{name}: {run.result.attainment:.2%}, {run.result.gpu_hours:,.0f} GPU-hours"
        axes.step(
            series.time / _HOUR_SECONDS,
            series.billed,
            where="post",
            color=_COLOURS[index % len(_COLOURS)],
            lw=1.0,
            label=label,
        )
    axes.set(title=title, xlabel="hours", ylabel="replicas", ylim=(0, None))
    axes.set_xlim(0, ground.trace.duration / _HOUR_SECONDS)
    axes.legend(loc="upper left", fontsize="small")
    figure.savefig(path)
