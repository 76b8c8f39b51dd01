"""Takes secret values out of what is said of a command line. Pure; it starts and stores nothing.

Told by name, for a value looks like any other. A name that only sounds like one costs a person a
glance into the pod; a value that is told stands in logs, statuses and ConfigMaps for ever.
"""

import re
from collections.abc import Sequence

MASK = "***"

_SECRET_WORDS = frozenset(
    {
        "key",  # --api-key, --admin-api-key, VLLM_API_KEY, AWS_SECRET_ACCESS_KEY
        "apikey",
        "token",  # --hf-token, HF_TOKEN; `tokens` is a count
        "secret",
        "password",  # --ssl-keyfile-password
        "passwd",
        "passphrase",
        "credential",
        "credentials",
        "auth",
        "authorization",
        "bearer",
    }
)
"""Words of a name, between dashes, underscores and dots, whose value is nobody's business."""

_SEPARATOR = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.+)", re.DOTALL)
_JSON_STRING = re.compile(r'"((?:\\.|[^"\\])*)"(\s*:\s*)"(?:\\.|[^"\\])*"')
_USER_OF_URL = re.compile(r"(://)[^/\s@]+@")


def is_secret(name: str) -> bool:
    """Whether a flag, a variable or a JSON field of that name holds a secret."""
    return not _SECRET_WORDS.isdisjoint(word.lower() for word in _SEPARATOR.split(name))


def without_secrets(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a command line as they may be told, each at its place.

    Of a secret flag every word up to the next flag: vLLM's `--api-key` takes several.
    """
    told: list[str] = []
    after_secret = False
    for word in words:
        if word.startswith("-"):
            name, _, value = word.partition("=")
            after_secret = is_secret(name)
            told.append(f"{name}={MASK}" if after_secret and value else _inside(word))
        else:
            told.append(MASK if after_secret else _inside(word))
    return tuple(told)


def _inside(word: str) -> str:
    """Secrets within one word: an assignment, fields of JSON, the user of an address."""
    match = _ASSIGNMENT.fullmatch(word)
    if match and is_secret(match[1]):
        return f"{match[1]}={MASK}"
    return _USER_OF_URL.sub(rf"\1{MASK}@", _JSON_STRING.sub(_field, word))


def _field(match: re.Match[str]) -> str:
    return f'"{match[1]}"{match[2]}"{MASK}"' if is_secret(match[1]) else match[0]
