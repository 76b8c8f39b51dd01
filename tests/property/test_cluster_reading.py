"""Whatever stands in a pod or a selector, it is read or said to be unreadable; nothing raises."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from v4operator.adapters.cluster_selector import Selector
from v4operator.estimate.command_line import Unreadable, read

WORDS = st.lists(st.text(max_size=30), max_size=8)
VARIABLES = st.dictionaries(st.from_regex(r"[A-Z_]{1,6}", fullmatch=True), st.none() | st.text())
FLAGS = st.lists(
    st.tuples(
        st.sampled_from(["--max-num-seqs", "--kv-cache-dtype", "--served-model-name"]),
        st.from_regex(r"[A-Za-z0-9_. /:-]{1,20}", fullmatch=True).filter(
            lambda text: not text.startswith("-")
        ),
    ),
    max_size=5,
)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9./_-]{0,8}[a-z0-9])?", fullmatch=True)


@given(WORDS, WORDS, VARIABLES)
def test_any_command_is_read_or_has_a_reason(
    command: list[str], args: list[str], variables: dict[str, str | None]
) -> None:
    found = read(command, args, variables)
    assert found if isinstance(found, tuple) else found.reason


@given(st.text(max_size=200), VARIABLES)
def test_any_shell_script_is_read_or_has_a_reason(
    script: str, variables: dict[str, str | None]
) -> None:
    found = read(("sh", "-c", script), (), variables)
    assert found if isinstance(found, tuple) else found.reason


@given(FLAGS)
def test_a_shell_gives_the_same_words_as_a_list_does(flags: list[tuple[str, str]]) -> None:
    words = ["vllm", "serve", "m", *(word for pair in flags for word in pair)]
    plain = read(words, (), {})
    assert not isinstance(plain, Unreadable)
    assert read(("bash", "-c", f"exec {shlex.join(words)}"), (), {}) == ("exec", *plain)


@given(st.text(max_size=60), st.dictionaries(LABEL, LABEL))
def test_any_text_is_a_selector_and_the_empty_one_matches_nothing(
    text: str, labels: dict[str, str]
) -> None:
    found = Selector.parse(text)
    if found == Selector():
        assert not found.matches(labels)


@given(st.dictionaries(LABEL, LABEL, min_size=1))
def test_a_selector_of_labels_matches_them_and_nothing_less(labels: dict[str, str]) -> None:
    found = Selector.parse(",".join(f"{key}={value}" for key, value in labels.items()))
    assert found.matches(labels)
    assert not found.matches(dict(list(labels.items())[1:]))
