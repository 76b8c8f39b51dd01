"""Settings: flags over environment over defaults; a misspelt variable is refused."""

import pytest

from v4operator.model.problem import InputError
from v4operator.settings import load_settings


def test_defaults_listen_on_loopback() -> None:
    assert load_settings().listen_host == "127.0.0.1"


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V4_LISTEN_PORT", "9000")

    assert load_settings().listen_port == 9000
    assert load_settings(listen_port=9001).listen_port == 9001
    assert load_settings(listen_port=None).listen_port == 9000


def test_a_misspelt_variable_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V4_LISTEN_PROT", "9000")

    with pytest.raises(InputError, match=r"V4_LISTEN_PROT.*did you mean 'V4_LISTEN_PORT'"):
        load_settings()
