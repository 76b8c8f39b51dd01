"""Checkpoint records -> checkpoints, with everything that a `base` hands down filled in."""

from collections.abc import Iterator, Mapping

from v4operator.catalogue.fine_tune import with_weight_bytes
from v4operator.catalogue.schema import CheckpointRecord
from v4operator.model.catalogue import Checkpoint
from v4operator.model.problem import InputError, Problem, nearest
from v4operator.model.units import GB

_BILLION = 1e9

# What belongs to one checkpoint alone and is never handed down.
_OWN = {"name", "base", "aliases", "requires", "engine_minimum", "note", "weight_bytes"}


def build(records: Mapping[str, CheckpointRecord], where: Mapping[str, str]) -> list[Checkpoint]:
    """Checkpoints in the order of the files; `where` names the file of each record.

    Raises:
        InputError: a base that is not there or has a base itself, or a field that nothing gives.
    """
    problems: list[Problem] = []
    made: list[Checkpoint] = []
    for name, record in records.items():
        found = [*_base_problems(record, records, where[name])]
        merged = record if found or record.base is None else _merged(record, records[record.base])
        found = found or [*_gaps(merged, where[name])]
        problems.extend(found)
        if not found:
            made.append(_checkpoint(merged))
    if problems:
        raise InputError(problems)
    return made


def _merged(record: CheckpointRecord, base: CheckpointRecord) -> CheckpointRecord:
    own = {name: getattr(record, name) for name in record.model_fields_set | _OWN}
    return base.model_copy(update=own)


def _checkpoint(record: CheckpointRecord) -> Checkpoint:
    checkpoint = Checkpoint(
        name=record.name,
        family=str(record.family),
        aliases=record.aliases,
        max_context_tokens=record.max_context_tokens or 0,
        max_attention_tensor=record.max_attention_tensor,
        weights=record.weights.value() if record.weights else None,
        total_bytes=record.total_gb.scaled(GB) if record.total_gb else None,
        kv=record.kv.value() if record.kv else None,
        expert_format=str(record.expert_format),
        requires=record.requires,
        note=record.note,
        routed_experts=record.routed_experts,
        draft=record.draft,
        engine_minimum=tuple(record.engine_minimum.items()),
        parameters=record.parameters_b.scaled(_BILLION) if record.parameters_b else None,
        decode=record.decode.value() if record.decode else None,
    )
    return with_weight_bytes(checkpoint, record.weight_bytes) if record.weight_bytes else checkpoint


def _base_problems(
    record: CheckpointRecord, records: Mapping[str, CheckpointRecord], where: str
) -> Iterator[Problem]:
    roots = [name for name, other in records.items() if other.base is None]
    if record.base is not None and record.base not in roots:
        yield Problem(
            where=where,
            path=f"checkpoints.{record.name}.base",
            found=repr(record.base),
            allowed=f"a checkpoint without a base of its own: {', '.join(roots)}",
            nearest=nearest(record.base, roots),
        )


def _gaps(record: CheckpointRecord, where: str) -> Iterator[Problem]:
    needed = {
        "family": record.family,
        "expertFormat": record.expert_format,
        "maxContextTokens": record.max_context_tokens,
    }
    for field, value in needed.items():
        if value is None:
            yield Problem(
                where=where,
                path=f"checkpoints.{record.name}.{field}",
                found="nothing",
                allowed="a value, or a base that has one",
            )
