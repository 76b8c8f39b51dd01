"""Questions to `estimate` about one engine, with nothing set on its command line.

Answers are values of the estimate for one combination, or `None` where it has no verdict of its own
on bytes (a figure is missing, or no engine runs it). No keys, no rounding.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from v4operator.catalogue.versions import release
from v4operator.estimate.hbm_account import Account, account_of
from v4operator.estimate.hbm_config import Configuration, resolve
from v4operator.estimate.hbm_support import block_layout, missing_figures, pool_layout, unsupported
from v4operator.estimate.hbm_weights import per_device_bytes
from v4operator.model.catalogue import Accelerator, Catalogue, Checkpoint, EngineEntry, Weights
from v4operator.model.deployment import MemoryPlan
from v4operator.model.layout import Layout

ONE_DEVICE = Layout()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One engine of the catalogue, in the releases at which something about it changes."""

    engine: EngineEntry
    catalogue: Catalogue

    @property
    def newest(self) -> str:
        """The version that is assumed where none is given."""
        return self.engine.newest_version or ""

    def versions(self) -> tuple[str, ...]:
        """First version of each release, oldest first."""
        found = {version for version in self._mentioned() if release(version)}
        return tuple(sorted(found, key=lambda version: release(version) or ()))

    def account(
        self,
        checkpoint: Checkpoint,
        device: Accelerator,
        version: str,
        layout: Layout = ONE_DEVICE,
    ) -> Account | None:
        """The account of a replica, whether it fits or not."""
        config = self._config(checkpoint, device, version, layout)
        if config is None or any(missing_figures(config)) or any(unsupported(config)):
            return None
        weights, visible = config.checkpoint.weights, config.accelerator.visible_bytes
        planned = block_layout(config) or pool_layout(config)
        if weights is None or visible is None or planned is None:
            return None
        return account_of(config, weights, visible, planned)

    def _config(
        self, checkpoint: Checkpoint, device: Accelerator, version: str, layout: Layout
    ) -> Configuration | None:
        found = resolve(
            MemoryPlan(
                checkpoint=checkpoint.name,
                engine=self.engine.name,
                engine_version=version,
                engine_args=(),
                accelerator=device.name,
                devices=layout.devices,
                layout=layout,
                max_context_tokens=None,
                concurrency=1,
                budget=None,
            ),
            self.catalogue,
        )
        return found if isinstance(found, Configuration) else None

    def _mentioned(self) -> Iterator[str]:
        engine, memory = self.engine, self.engine.memory
        yield engine.minimum_version or ""
        yield from (kernel.since for kernel in engine.kernels)
        figures = [] if memory is None else [*memory.memory_fractions]
        if memory is not None:
            figures += [row.block_bytes for row in memory.blocks]
            figures += [row.full_token_bytes for row in memory.pools]
        yield from (figure.engine_version or "" for figure in figures)
        for checkpoint in self.catalogue.checkpoints:
            yield dict(checkpoint.engine_minimum).get(engine.name, "")


def attention_bytes(weights: Weights, tensor: int, growth: float) -> float:
    """What a device holds of everything but the routed experts, in a pipeline of one stage."""
    rest = replace(weights, experts_bytes=replace(weights.experts_bytes, value=0.0))
    return growth * per_device_bytes(
        rest, Layout(tensor=tensor), speculative=False, load_factor=None
    )


def spread_bytes(weights: Weights, ranks: int, growth: float) -> float:
    """What a device holds of the routed experts, in a pipeline of one stage."""
    none = replace(weights.dense_bytes, value=0.0)
    experts = replace(weights, dense_bytes=none, tensor_replicated_bytes=none)
    return growth * per_device_bytes(
        experts, Layout(tensor=ranks), speculative=False, load_factor=None
    )
