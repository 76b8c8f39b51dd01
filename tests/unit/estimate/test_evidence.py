import pytest
from tests.plant import FLASH

from v4operator.estimate.evidence import is_busy, is_evidence
from v4operator.model.learned import Block


def block(sequences: float, gauge: float) -> Block:
    """Half a minute of so many requests, of which the gauge shows `gauge`."""
    rate = FLASH.decode_tokens_per_second(
        sequences=sequences, kv_tokens=1000.0 * sequences, prefill_tokens_per_second=3000.0
    )
    tokens = 30.0 * rate
    return Block(
        seconds=30.0,
        tokens=tokens,
        expected_tokens=tokens,
        sequence_seconds=30.0 * gauge,
        token_sequences=gauge * tokens,
        token_kv_tokens=1000.0 * gauge * tokens,
        prefill_sequences=3000.0 * 30.0 * gauge,
    )


@pytest.mark.parametrize("gauge", [1.2, 2.0, 2.6], ids=lambda g: f"{g} shown")
@pytest.mark.parametrize(("sequences", "busy"), [(1.8, False), (2.2, True)])
def test_what_was_decoded_says_whether_a_replica_was_busy_and_not_what_its_gauge_shows(
    sequences: float, *, busy: bool, gauge: float
) -> None:
    assert is_busy(block(sequences, gauge), FLASH) is busy


def test_a_slow_replica_is_evidence_though_it_is_not_busy_by_the_law() -> None:
    """It is judged; what it teaches about the law is another matter."""
    slow = block(1.0, 8.0)
    assert is_evidence(slow)
    assert not is_busy(slow, FLASH)
