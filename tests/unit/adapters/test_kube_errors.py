from __future__ import annotations

import pytest

from v4operator.adapters.kube_errors import (
    Forbidden,
    Gone,
    KubeConflict,
    KubeError,
    NotFound,
    Rejected,
    Status,
    TooMany,
    Unavailable,
    error_of,
    shown,
    status_of,
)
from v4operator.adapters.kube_request import Kind, KubeRequest
from v4operator.runtime.ports import Absent, Conflict, Expired, SourceError, Throttled

_REQUEST = KubeRequest(verb="list", kind=Kind(group="", version="v1", plural="pods"))


@pytest.mark.parametrize(
    ("code", "kind", "port"),
    [
        (400, Rejected, SourceError),
        (401, Unavailable, SourceError),
        (403, Forbidden, SourceError),
        (404, NotFound, Absent),
        (408, Unavailable, SourceError),
        (409, KubeConflict, Conflict),
        (410, Gone, Expired),
        (422, Rejected, SourceError),
        (429, TooMany, Throttled),
        (500, Unavailable, SourceError),
        (503, Unavailable, SourceError),
        (302, Unavailable, SourceError),
        (999, Unavailable, SourceError),
        (0, Unavailable, SourceError),
    ],
)
def test_a_status_is_one_kind_of_error_and_the_runtime_knows_which(
    code: int, kind: type[KubeError], port: type[SourceError]
) -> None:
    error = error_of(_REQUEST, Status(code=code))
    assert type(error) is kind
    assert isinstance(error, port)
    assert "list pods" in str(error)


def test_a_field_of_the_wrong_type_is_refused_although_the_server_calls_it_its_own_failure() -> (
    None
):
    message = "failed to create typed patch object (/a; apps/v1): .spec.replicas: expected numeric"
    assert type(error_of(_REQUEST, Status(code=500, message=message))) is Rejected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "no such thing", "reason": "NotFound", "code": 1}', "no such thing"),
        (b"\xff not JSON", "\ufffd not JSON"),
        (b'{"message": 5}', '{"message": 5}'),
        (b"", ""),
    ],
    ids=["a status", "not UTF-8", "not a status", "nothing"],
)
def test_the_body_of_an_error_gives_its_message_and_the_line_of_the_answer_its_code(
    body: bytes, message: str
) -> None:
    status = status_of(404, body)
    assert (status.code, status.message) == (404, message)


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        (7.0, {"retryAfterSeconds": 3}, 7.0),
        (None, {"retryAfterSeconds": 3}, 3.0),
        (None, {}, 1.0),
        (None, None, 1.0),
    ],
    ids=["header first", "body", "no time in the body", "no details"],
)
def test_the_time_to_come_back(
    header: float | None, body: dict[str, int] | None, seconds: float
) -> None:
    status = Status.model_validate({"code": 429, "details": body})
    error = error_of(_REQUEST, status, header)
    assert isinstance(error, TooMany)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n\tb", "a b"),
        ("a\x1b[31mb", "a?[31mb"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 300 + "..."),
    ],
    ids=["lines", "control characters", "just fits", "too long"],
)
def test_foreign_text_is_short_and_harmless(text: str, line: str) -> None:
    assert shown(text) == line
