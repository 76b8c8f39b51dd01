"""Where each engine is scraped unless the manifest says otherwise."""

import pytest

from v4operator.api.manifest import load_text

_MANIFEST = """\
apiVersion: v4serving.dev/v1alpha1
kind: V4Deployment
metadata: {name: flash-chat}
spec:
  model: {checkpoint: deepseek-ai/DeepSeek-V4-Flash}
  engine: {name: ENGINE}
  accelerator: {product: h200-141, count: 4}
  workload: {endpoints: ["http://127.0.0.1:30000/"]}
"""


@pytest.mark.parametrize(
    ("engine", "port", "path"),
    [
        ("sglang", 30000, "/metrics"),
        ("vllm", 8000, "/metrics"),
        ("vllm-ascend", 8000, "/metrics"),
        ("nim", 8000, "/v1/metrics"),
        ("llamacpp", 8080, "/metrics"),
        ("mlx", 8000, "/metrics"),
    ],
)
def test_each_engine_has_its_own_port_and_path(engine: str, port: int, path: str) -> None:
    (deployment,) = load_text(_MANIFEST.replace("ENGINE", engine), "test.yaml")
    assert (deployment.metrics_port, deployment.metrics_path) == (port, path)


def test_a_path_that_is_given_holds() -> None:
    named = "{name: nim, metrics: {path: /metrics}}"
    (deployment,) = load_text(_MANIFEST.replace("{name: ENGINE}", named), "test.yaml")
    assert deployment.metrics_path == "/metrics"
