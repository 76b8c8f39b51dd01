"""Whether a configuration can be checked, and whether any engine runs it. Reasons, as text."""

from collections.abc import Iterator

from v4operator.catalogue.versions import at_least, in_force
from v4operator.estimate.hbm_config import Configuration
from v4operator.model.catalogue import BlockLayout, PoolLayout

# Entries of 584 bytes; the engines' names for it. Others have no published block or pool layout.
KNOWN_KV_DTYPES = frozenset({"auto", "fp8", "fp8_e4m3", "fp8_ds_mla"})


def missing_figures(config: Configuration) -> Iterator[str]:
    """Each figure that a verdict would need and the catalogue has not."""
    name, device = config.checkpoint.name, config.accelerator.name
    weights = config.checkpoint.weights
    if weights is None:
        size = "the size" if config.checkpoint.total_bytes is None else "the split of the weights"
        yield f"{size} of {name}"
    elif config.speculative and weights.draft_bytes is None:
        yield f"the size of the draft of {name}"
    if config.checkpoint.kv is None:
        yield f"the KV layout of {name}"
    elif config.kv_cache_dtype not in KNOWN_KV_DTYPES:
        yield f"the KV layout for {config.kv_cache_dtype}"
    elif not any(_releases(config)) and not (block_layout(config) or pool_layout(config)):
        yield (
            f"the KV {'pools' if config.memory.pools else 'block'} of {config.checkpoint.family} "
            f"with the {config.indexer} indexer in {config.engine.name} {config.version}"
        )
    if config.accelerator.visible_bytes is None:
        yield f"the memory that is visible on {device}"


def block_layout(config: Configuration) -> BlockLayout | None:
    """The block of this family and indexer in this release."""
    rows = [
        row
        for row in config.memory.blocks
        if (row.family, row.indexer) == (config.checkpoint.family, config.indexer)
    ]
    figure = in_force([row.block_bytes for row in rows], config.version)
    return next((row for row in rows if row.block_bytes is figure), None)


def pool_layout(config: Configuration) -> PoolLayout | None:
    """The pools of this family in this release. SGLang budgets the FP8 indexer whatever is used."""
    rows = [row for row in config.memory.pools if row.family == config.checkpoint.family]
    figure = in_force([row.full_token_bytes for row in rows], config.version)
    return next((row for row in rows if row.full_token_bytes is figure), None)


def unsupported(config: Configuration) -> Iterator[str]:
    """Each reason why no engine starts like this."""
    yield from _releases(config)
    yield from _kernels(config)
    yield from _parallelism(config)
    if config.context_tokens > config.checkpoint.max_context_tokens:
        yield (
            f"a context of {config.context_tokens} tokens is beyond the "
            f"{config.checkpoint.max_context_tokens} of {config.checkpoint.name}"
        )


def _releases(config: Configuration) -> Iterator[str]:
    engine, own = config.engine, dict(config.checkpoint.engine_minimum)
    minimum = own.get(engine.name) or engine.minimum_version
    if minimum and not at_least(config.version, minimum):
        yield (
            f"{engine.name} {config.version} cannot serve {config.checkpoint.name}; "
            f"{minimum} is the first that does"
        )


def _kernels(config: Configuration) -> Iterator[str]:
    device, wanted = config.accelerator, config.checkpoint.expert_format
    if wanted not in device.formats:
        has = ", ".join(device.formats) or "none of V4's formats"
        yield f"{device.name} has no kernels for {wanted} experts (it has {has})"
    if device.engines and config.engine.name not in device.engines:
        yield f"{config.engine.name} does not run V4 on {device.name}"


def _parallelism(config: Configuration) -> Iterator[str]:
    layout, checkpoint = config.layout, config.checkpoint
    groups, experts, kv = checkpoint.max_attention_tensor, checkpoint.routed_experts, checkpoint.kv
    if layout.devices != config.devices:
        yield (
            f"tensor {layout.tensor} x data {layout.data} x pipeline {layout.pipeline} = "
            f"{layout.devices} does not make {config.devices} devices"
        )
    if groups and groups % layout.tensor:
        yield f"tensor {layout.tensor} does not divide the {groups} output groups of the attention"
    ranks = layout.tensor * layout.data
    if experts and layout.expert and experts % ranks:
        yield f"{ranks} ranks do not divide the {experts} routed experts"
    if kv and layout.pipeline > kv.layers:
        yield f"pipeline {layout.pipeline} is more than the {kv.layers} layers"
