import json
import math
import re
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.estimate.test_hbm_fit_table import ROWS, Row

from v4operator.catalogue import load
from v4operator.catalogue.resolve import find_accelerator, find_checkpoint, find_engine
from v4operator.catalogue.versions import at_least
from v4operator.crdgen.kv_law import kv_law
from v4operator.crdgen.probe import Probe
from v4operator.crdgen.table import capacity_table, sortable
from v4operator.estimate.hbm import check
from v4operator.estimate.hbm_account import Account
from v4operator.model.catalogue import Accelerator, Catalogue, Checkpoint
from v4operator.model.layout import Layout

CATALOGUE = load()
TABLE = capacity_table(CATALOGUE)
FLASH = "deepseek-ai_deepseek-v4-flash"


def checkpoint(name: str) -> Checkpoint:
    found = find_checkpoint(CATALOGUE, name)
    assert found is not None
    return found


def device(name: str) -> Accelerator:
    found = find_accelerator(CATALOGUE, name)
    assert found is not None
    return found


def account(engine: str, version: str, layout: Layout, name: str = "deepseek-v4-flash") -> Account:
    entry = find_engine(CATALOGUE, engine)
    assert entry is not None
    probe = Probe(engine=entry, catalogue=CATALOGUE)
    found = probe.account(checkpoint(name), device("b200"), version, layout)
    assert found is not None
    return found


def with_names(*names: str) -> Catalogue:
    """A catalogue in which each of the names is a checkpoint of its own."""
    flash = checkpoint("deepseek-v4-flash")
    own = tuple(replace(flash, name=name, aliases=()) for name in names)
    return replace(CATALOGUE, checkpoints=own)


def test_it_fits_a_config_map_many_times_over() -> None:
    assert len(json.dumps(TABLE)) < 150_000


def test_every_value_is_a_name_or_whole_numbers() -> None:
    words = ("checkpoint.", "device.", "form.", "family.", "runs.")
    for key, value in TABLE.items():
        if not key.startswith(words):
            assert re.fullmatch(r"-?\d+([,.]\d+)*", value), key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("checkpoint.deepseek-v4-flash", FLASH),
        ("device.nvidia-h200", "h200-141"),
        ("runs.sglang.mi300x.fp8", "cdna3"),
        ("layers." + FLASH, "43"),
        ("tokens." + FLASH, "1048576"),
    ],
)
def test_names_and_aliases_lead_to_entries(key: str, value: str) -> None:
    assert TABLE[key] == value


@pytest.mark.parametrize(
    "key",
    [
        "runs.vllm.a100-80.mxfp4",  # no kernels
        "runs.vllm.mi300x.fp8",  # another engine only
        "attention." + FLASH + ".1000000.16",  # 16 does not divide 8 groups
        "checkpoint.nothing",
        "experts.deepseek-ai_deepseek-v4.1-flash",  # no KV formula
    ],
)
def test_what_nobody_serves_is_not_there(key: str) -> None:
    assert key not in TABLE


def test_two_names_that_are_written_alike_are_no_name() -> None:
    table = capacity_table(with_names("org/tune", "org_tune", "org/other"))
    assert "checkpoint.org_tune" not in table
    assert table["checkpoint.org_other"] == "org_other"


@pytest.mark.parametrize("name", ["with blank", "ümlaut", "x" * 254], ids=["blank", "u", "long"])
def test_a_name_that_no_key_can_hold_is_left_out(name: str) -> None:
    table = capacity_table(with_names(name))
    assert not [key for key in table if key.startswith("checkpoint.")]


def test_fifty_checkpoints_of_the_user_stay_far_below_the_limit_of_a_config_map() -> None:
    names = [f"our-organisation/DeepSeek-V4-Flash-fine-tune-{number}" for number in range(50)]
    catalogue = with_names(*names)
    few = replace(catalogue, accelerators=(device("h200-141"), device("b200"), device("l20")))
    assert len(json.dumps(capacity_table(few))) < 400_000


def test_a_checkpoint_of_the_user_is_in_it() -> None:
    table = capacity_table(with_names("org/tune"))
    assert int(table["experts.org_tune"]) == 147_170_000_000
    assert "spread.org_tune.1043000.4" in table


# A kernel that does not grow the weights on Hopper is nobody's default, so the table has it not.
BY_DEFAULT = [row for row in ROWS if row.plan.moe_kernel != "humming"]


@pytest.mark.parametrize("row", BY_DEFAULT, ids=lambda row: row.name)
def test_the_parts_sum_to_the_weights_of_the_fit_table(row: Row) -> None:
    plan = row.plan
    report = check(plan, CATALOGUE)
    assert report.weights_bytes is not None
    hopper = 1_233_000 if plan.moe_kernel == "marlin" else 1_043_000
    factor = hopper if plan.accelerator in {"h100-80", "h200-141"} else 1_000_000
    name = plan.checkpoint.lower().replace("/", "_")
    attention = int(TABLE[f"attention.{name}.{factor}.{plan.layout.tensor}"])
    ranks = plan.layout.tensor * plan.layout.data
    spread = int(TABLE[f"spread.{name}.{factor}.{ranks}"])
    assert attention + spread <= report.weights_bytes + 1
    assert attention + spread == pytest.approx(report.weights_bytes, abs=3)


@given(
    engine=st.sampled_from(["vllm", "sglang"]),
    data=st.sampled_from([1, 2, 4, 8]),
    pages=st.integers(min_value=1, max_value=4096),
    offset=st.integers(min_value=0, max_value=255),
    requests=st.integers(min_value=1, max_value=200),
)
def test_the_line_never_asks_for_more_room_than_the_planner(
    engine: str, data: int, pages: int, offset: int, requests: int
) -> None:
    version = {"vllm": "0.33.0", "sglang": "0.5.23"}[engine]
    planner = account(engine, version, Layout(data=data, expert=True)).planner
    law = kv_law(planner)
    context = min(pages * 256 + offset, 1 << 20)
    whole = math.ceil(context / 256)
    room = law.fixed_bytes + requests * (law.request_bytes + whole * law.page_bytes)
    assert planner.sequences(room - 4096, context) < requests


def test_vllm_has_no_limit_of_requests_and_sglang_has() -> None:
    vllm = kv_law(account("vllm", "0.33.0", Layout()).planner)
    sglang = kv_law(account("sglang", "0.5.23", Layout(data=2)).planner)
    # 30 blocks beside the context; 128 slots of C128 state a rank (capacity study 2.3 and 2.4).
    assert (vllm.request_bytes, vllm.page_bytes, vllm.requests) == (30 * 1_002_240, 1_002_240, 0)
    assert (sglang.fixed_bytes, sglang.requests) == (128 * 10_485_760, 128)


VERSIONS = ["0.20", "0.5.23", "0.5.23.post1", "0.33.0", "v0.33", "1.0", "0.9", "0.33.0+cu13"]


@pytest.mark.parametrize(("one", "other"), list(product(VERSIONS, VERSIONS)))
def test_versions_sort_as_text_as_they_sort_as_versions(one: str, other: str) -> None:
    assert (sortable(one) >= sortable(other)) is at_least(one, other)


def test_a_version_without_a_number_has_no_place() -> None:
    assert sortable("latest") == ""


def test_an_engine_that_is_not_resolved_has_no_account() -> None:
    entry = find_engine(CATALOGUE, "mlx")
    assert entry is not None
    probe = Probe(engine=entry, catalogue=CATALOGUE)
    assert probe.account(checkpoint("deepseek-v4-flash"), device("b200"), "1.0") is None
    assert not [key for key in TABLE if ".mlx." in key]
