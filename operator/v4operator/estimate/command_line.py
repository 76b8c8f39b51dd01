"""A container's command, arguments and environment -> the engine's command line.

Pure; starts nothing. Variables are filled in as Kubernetes and a shell would. What would need a
running shell, or a value that the pod does not show, is unreadable with its reason: a guess would
pass for a fact.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from v4operator.estimate.engine_args import memory_flags
from v4operator.model.secrets import MASK, is_secret, without_secrets

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_WRAPPERS = frozenset({"tini", "dumb-init", "env", "exec", "nohup", "numactl", "time"})
"""Programs that start the rest of their line."""

_ENGINE = re.compile(r"(^|[/.])(vllm|sglang|launch_server|api_server)(\.py)?$|^(vllm|sglang)\.")
"""Words that name a vLLM or SGLang program or module, wherever it is installed."""

_PART = re.compile(r"""(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|\$\([^()]*\)|[^;&|()\n\\])+""")
"""What stands between two operators of a shell: words, quotations and substitutions."""

_REDIRECTION = re.compile(r"\d*[<>]")
_KEYWORDS = frozenset({"if", "for", "while", "until", "case", "function"})
_KUBERNETES_VARIABLE = re.compile(r"\$(\$?)\(([A-Za-z_][A-Za-z0-9_]*)\)")
_SHELL_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """The command line is not known; `reason` completes "the arguments cannot be read: ..."."""

    reason: str


def read(
    command: Sequence[str], args: Sequence[str], environment: Mapping[str, str | None]
) -> tuple[str, ...] | Unreadable:
    """The words of the engine's command line, secrets left out.

    `environment` are the container's own variables; `None` is a value that comes from elsewhere.
    """
    shown = {name: _shown(name, value) for name, value in environment.items()}
    words = [_filled(word, shown) for word in (*command, *args)]
    if not words:
        return Unreadable(reason="the image starts the engine by itself")
    script = _script(words) if command else None
    found = words if script is None else _of_script(script, shown)
    if isinstance(found, Unreadable):
        return found
    known = without_secrets(found)
    if script is None and command and not any(_ENGINE.search(word) for word in known):
        return Unreadable(reason=f"{known[0]} is no program whose arguments are known")
    hidden = next(_hidden(known), None)
    return Unreadable(reason=hidden) if hidden else known


def _shown(name: str, value: str | None) -> str | None:
    """What a variable is filled in with: a secret decides no memory."""
    return MASK if value and is_secret(name) else value


def _filled(word: str, environment: Mapping[str, str | None]) -> str:
    """As Kubernetes expands it: unknown names stay, `$$(X)` is a literal `$(X)`."""

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        known = environment.get(match[2])
        return match[0] if known is None else known

    return _KUBERNETES_VARIABLE.sub(value, word)


def _script(words: Sequence[str]) -> str | None:
    """What a shell is given to run, if a shell is what is started."""
    shells = [place for place, word in enumerate(words) if word.rpartition("/")[2] in _SHELLS]
    if not shells or any(not _passes_on(word) for word in words[: shells[0]]):
        return None
    for place in range(shells[0] + 1, len(words) - 1):
        if re.fullmatch(r"-[a-z]*c[a-z]*", words[place]):
            return words[place + 1]
    return None


def _passes_on(word: str) -> bool:
    return word.startswith("-") or word.rpartition("/")[2] in _WRAPPERS


def _of_script(script: str, environment: Mapping[str, str | None]) -> list[str] | Unreadable:
    """The one command of a script that starts an engine."""
    try:
        commands = list(_commands(script, dict(environment)))
    except ValueError as error:  # an open quotation
        return Unreadable(reason=f"the shell script is not understood: {error}")
    if any(word in _KEYWORDS for command in commands for word in command[:1]):
        return Unreadable(reason="the shell script decides as it runs")
    engines = [each for each in commands if any(_ENGINE.search(word) for word in each)]
    if len(engines) != 1:
        return Unreadable(reason=f"the shell script starts {len(engines)} engines that are known")
    return list(takewhile(lambda word: not _REDIRECTION.match(word), engines[0]))


def _commands(script: str, variables: dict[str, str | None]) -> Iterator[list[str]]:
    """Its simple commands, with variables that are known filled in before words are split."""
    for part in _PART.findall(re.sub(r"\\\r?\n", " ", script)):
        words = shlex.split(_expanded(part, variables), comments=True)
        rest = _assigned(words, variables)
        if rest:
            yield rest


def _expanded(line: str, variables: Mapping[str, str | None]) -> str:
    def value(match: re.Match[str]) -> str:
        known = variables.get(match[1] or match[2])
        return match[0] if known is None else known

    return _SHELL_VARIABLE.sub(value, line)


def _assigned(command: list[str], variables: dict[str, str | None]) -> list[str]:
    """Note what a command assigns, and leave its own words."""
    words = command[1:] if command[:1] == ["export"] else list(command)
    while words and (match := _ASSIGNMENT.fullmatch(words[0])):
        variables[match[1]] = _shown(match[1], _expanded(match[2], variables))
        words.pop(0)
    return [] if command[:1] == ["export"] else words


def _hidden(words: Sequence[str]) -> Iterator[str]:
    """Words that stand for something else which decides memory, or may."""
    flags = memory_flags()
    before = ""
    for word in words:
        name, _, inline = word.partition("=")
        own = name.lstrip("-").replace("_", "-") if name.startswith("-") else ""
        decides = (own or before) in flags or not (own or before)
        if own == "config":
            yield f"{word} names a file that is not seen"
        if ("$" in word or "`" in word) and decides:
            yield f"{word} stands for a value that the pod does not show"
        before = own if own and not inline else ""
