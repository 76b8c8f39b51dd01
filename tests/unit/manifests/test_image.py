"""The Dockerfile as text: there need be no container engine where the tests run."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
BUILD, RESULT = re.split(
    r"^FROM ", (ROOT / "operator" / "Dockerfile").read_text(), flags=re.MULTILINE
)[1:]
INSTALLS = re.findall(r"pip (?:\S+ \S+ )?install [^&]*", BUILD.replace("\\\n", " "))


def test_everything_that_is_copied_in_is_there() -> None:
    sources = [
        source
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", BUILD, re.MULTILINE)
        for source in line.split()
    ]
    assert "requirements.lock" in sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_packages_come_by_hash_and_our_own_wheel_from_nowhere_else() -> None:
    locked = [each for each in INSTALLS if ".lock" in each]
    assert len(INSTALLS) == len(locked) + 1
    assert all("--require-hashes" in each for each in locked)
    (own,) = set(INSTALLS) - set(locked)
    assert "--no-index" in own
    assert "--no-deps" in own


def test_the_result_has_no_pip_and_takes_one_folder_from_the_build() -> None:
    assert "pip uninstall" in RESULT
    assert re.findall(r"^COPY (.*)$", RESULT, re.MULTILINE) == [
        "--from=build /opt/v4-operator /opt/v4-operator"
    ]


def test_the_image_runs_as_the_user_that_the_deployment_names() -> None:
    (deployment,) = yaml.safe_load_all((ROOT / "manifests/base/deployment.yaml").read_text())
    context = deployment["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in RESULT
