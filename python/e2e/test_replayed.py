"""Captured answers of real APIs, straight and through Aplomb: nothing that their SDK's user hears may get lost."""

from __future__ import annotations

import math

import httpx
import pytest

import matrix
from cases import Case, captured, corpus
from dialects import advice, dialect, kinds
from sdks import OPENAI, SDKS, Heard, Sdk

SAME = [(sdk, case) for sdk in SDKS for case in captured() if case.dialect == sdk.dialect]


def stream_of(case: Case) -> str | None:
    """Which kind of stream must be asked for to get this answer."""
    if not case.is_stream:
        return None
    return "responses" if b"sequence_number" in case.body else "chat"


def is_told_before_anything(case: Case, heard: Heard) -> bool:
    """An error that is a stream's first event never begins an answer: Aplomb tells it by status instead."""
    return case.is_stream and heard.raised is not None and not heard.got


@pytest.mark.parametrize(("sdk", "case"), SAME, ids=lambda value: getattr(value, "key", getattr(value, "name", "")))
def test_in_its_own_dialect_a_failure_sounds_as_it_does_without_aplomb(replay, gateway, sdk: Sdk, case: Case):
    direct = sdk.ask(f"{replay.url}/{case.key}", stream=stream_of(case))
    before = replay.counts[case.key]
    through = sdk.ask(f"{gateway.url}/same/{case.dialect}/{case.key}", stream=stream_of(case))

    assert replay.counts[case.key] == before + 1
    if is_told_before_anything(case, direct):
        assert through.error.get("message") == direct.error["message"]
        assert through.status >= 400
    else:
        assert through.raised == direct.raised
        assert through.facts == direct.facts
    assert through.got == direct.got
    if not through.got:
        assert_headers(case, through)
        assert through.request_id == direct.request_id or direct.request_id is None
    matrix.note("captured answers, in their own dialect", case.key, sdk.name, f"{through.raised} {through.status}")


def assert_headers(case: Case, heard: Heard) -> None:
    """What only headers tell."""
    truth, said = case.truth, heard.headers
    assert said["aplomb-kind"] == truth.kind
    # What may have been done already is repeated only where an endpoint is known to take that well.
    worth_it = {"true", "false"} if "aplomb-outcome" in said else {"true"}
    assert said["x-should-retry"] in (worth_it if truth.retryable else {"false"})
    if truth.retry_after_s is None or not truth.retryable:
        assert "retry-after" not in said
    else:
        assert int(said["retry-after"]) == math.ceil(truth.retry_after_s)
        assert heard.retry_after_s == pytest.approx(truth.retry_after_s, rel=0.01, abs=0.001)


def sentences(value) -> set[str]:
    """Every text in a JSON value that says more than a word.

    Titles and status texts only name the kind, and an error that stands in a message as JSON is told by its facts.
    """
    match value:
        case dict():
            return set().union(*(sentences(inner) for name, inner in value.items() if name not in ("title", "status")))
        case list():
            return set().union(*map(sentences, value))
        case str() if " " in value and not value.startswith("{"):
            return {value}
        case _:
            return set()


# === every dialect, told as OpenAI would ===

# Which exceptions fit what happened.
FITS = {
    "invalid_request": {"BadRequestError"},
    "context_length": {"BadRequestError"},
    "content_blocked": {"BadRequestError"},
    "authentication": {"AuthenticationError"},
    "payment_required": {"APIStatusError"},
    "permission": {"PermissionDeniedError"},
    "not_found": {"NotFoundError"},
    "method_not_allowed": {"APIStatusError"},
    "timeout": {"APIStatusError"},
    "conflict": {"ConflictError"},
    "payload_too_large": {"APIStatusError"},
    "validation": {"UnprocessableEntityError"},
    "rate_limit": {"RateLimitError"},
    "quota_exhausted": {"RateLimitError"},
    "internal": {"InternalServerError"},
    "bad_gateway": {"InternalServerError"},
    "unavailable": {"InternalServerError"},
    "overloaded": {"InternalServerError"},
    "gateway_timeout": {"InternalServerError"},
    "unknown": {"InternalServerError"},
}

# Event streams that no endpoint of OpenAI's would give.
ELSEWHERE = {"cartesia": "/tts/sse"}


def keeps_its_status(case: Case, heard: Heard) -> bool:
    """A status that OpenAI knows stays where it leads to the same advice, or where the whole answer stays."""
    listed = str(case.status) in dialect("openai")["statuses"]
    as_it_came = heard.facts["body"] == (case.json or {}).get("error")
    same_advice = advice(case.status) == kinds()[case.truth.kind]["advice"]
    return heard.status == case.status and listed and (as_it_came or same_advice)


FOREIGN = [
    case
    for case in [*captured(), *corpus()]
    if case.dialect not in ("openai", "jsonrpc") and not (case.is_stream and case.dialect in ELSEWHERE)
]


@pytest.mark.parametrize("case", FOREIGN, ids=lambda case: case.key)
def test_told_as_openai_would_a_failure_of_any_api_stays_whole(gateway, case: Case):
    truth = case.truth
    heard = OPENAI.ask(f"{gateway.url}/openai/{case.dialect}/{case.key}", stream=stream_of(case))

    assert heard.facts["body"]["message"]
    assert heard.facts["body"]["message"] == (truth.message or heard.facts["body"]["message"])
    for name in ("code", "type", "param"):
        assert heard.facts[name] == (getattr(truth, name) or heard.facts[name]), name
    if heard.got:
        assert heard.raised == "APIError"
        assert truth.request_id is None or heard.facts["body"]["request_id"] == truth.request_id
    else:
        assert heard.raised in FITS[truth.kind] or keeps_its_status(case, heard)
        assert heard.request_id == (truth.request_id or heard.headers["aplomb-request-id"])
        assert_headers(case, heard)
    if not case.is_stream:
        assert sentences(case.json) <= sentences(heard.facts["body"])
    matrix.note("captured answers, told as OpenAI would", case.dialect, truth.kind, str(heard.status or "event"))


def test_an_error_in_a_stream_of_events_is_heard_where_no_sdk_would_look(gateway):
    (case,) = [case for case in captured() if case.is_stream and case.dialect in ELSEWHERE]
    path = f"/openai/{case.dialect}/{case.key}{ELSEWHERE[case.dialect]}"
    answer = httpx.post(gateway.url + path, json={"transcript": "hello"}, timeout=20)

    error = answer.json()["error"]
    assert (error["message"], error["code"]) == (case.truth.message, case.truth.code)
    assert answer.headers["aplomb-kind"] == case.truth.kind
    assert answer.headers["x-request-id"] == case.truth.request_id
    assert answer.status_code == 429
