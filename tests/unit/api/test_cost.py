"""`spec.cost` in a manifest."""

import pytest

from v4operator.api.manifest import load_text
from v4operator.model.deployment import Cost
from v4operator.model.problem import InputError

MANIFEST = """\
apiVersion: v4serving.dev/v1alpha1
kind: V4Deployment
metadata: {name: flash}
spec:
  model: {checkpoint: deepseek-ai/DeepSeek-V4-Flash}
  engine: {name: sglang}
  accelerator: {product: h200-141, count: 4}
  workload: {endpoints: ["http://10.0.0.1:30000"]}
"""


def cost(text: str) -> Cost:
    (found,) = load_text(MANIFEST + text, "flash.yaml")
    return found.cost


def test_without_it_the_catalogues_price_holds_and_no_budget_is_set() -> None:
    assert cost("") == cost("  cost: {}\n") == Cost()


def test_a_price_and_a_budget_are_dollars_an_hour() -> None:
    found = cost("  cost: {devicePerHour: 2.5, budgetPerHour: 40}\n")
    assert found == Cost(device_usd_per_hour=2.5, budget_usd_per_hour=40.0)


@pytest.mark.parametrize("value", ["0", "-1", "1e9", ".inf", ".nan", "'free'"])
def test_a_price_that_is_none_is_refused_with_its_place(value: str) -> None:
    with pytest.raises(InputError) as refused:
        cost(f"  cost: {{devicePerHour: {value}}}\n")
    assert "spec.cost.devicePerHour" in str(refused.value)


def test_a_mistyped_name_is_refused_with_the_one_that_is_meant() -> None:
    with pytest.raises(InputError) as refused:
        cost("  cost: {devicePerHours: 2.5}\n")
    assert "devicePerHour" in str(refused.value)
