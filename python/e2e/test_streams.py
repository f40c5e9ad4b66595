"""Streams that break, as the users of each API's SDK meet them, and one that doesn't, byte by byte."""

from __future__ import annotations

import json

import httpx
import pytest

import matrix
from cases import HEALTHY
from sdks import OPENAI, SDKS, Heard

ANTHROPIC = next(sdk for sdk in SDKS if sdk.name == "anthropic")
TERMINAL = {"chat": "[DONE]", "responses": "response.completed", "messages": "message_stop", "gemini": "finishReason"}


def gemini(origin: str, scenario: str) -> Heard:
    """Gemini by plain HTTP, heard as its clients hear it: event after event."""
    headers = {"mock-scenario": scenario, "x-goog-api-key": "k"}
    path = "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
    body = {"contents": [{"parts": [{"text": "Say hello."}]}]}
    heard = Heard()
    answer = httpx.post(origin + path, headers=headers, json=body, timeout=20)
    for line in answer.text.splitlines():
        if line.startswith("data:"):
            event = json.loads(line.removeprefix("data:"))
            if "error" in event:
                heard.raised, heard.facts = "error", {"message": event["error"]["message"], "body": event}
                return heard
            heard.got.append(event)
    return heard


ASK = {
    "chat": lambda origin, scenario: OPENAI.ask(f"{origin}/openai", headers={"mock-scenario": scenario}, stream="chat"),
    "responses": lambda origin, scenario: OPENAI.ask(
        f"{origin}/openai", headers={"mock-scenario": scenario}, stream="responses"
    ),
    "messages": lambda origin, scenario: ANTHROPIC.ask(
        f"{origin}/anthropic", headers={"mock-scenario": scenario}, stream="chat"
    ),
    "gemini": lambda origin, scenario: gemini(f"{origin}/gemini", scenario),
}

# What is done to the stream after its second event, and what its reader is told.
BREAKS = {
    "error-event:overloaded:2;message=Too busy for this.": "Too busy for this.",
    "bare-error:overloaded:2;message=Too busy for this.": "Too busy for this.",
    "cut:2": "cut",
    "reset-mid:2": "cut",
    "stall:2": "stalled",
    "no-terminal": "without its terminal event",
}


@pytest.mark.parametrize("scenario", BREAKS)
@pytest.mark.parametrize("api", ASK)
def test_a_stream_that_breaks_ends_in_an_error_that_its_sdk_understands(played, api: str, scenario: str):
    heard = ASK[api](played.url, scenario)

    assert heard.raised is not None
    assert BREAKS[scenario] in str(heard.facts["message"])
    assert len(heard.got) >= 2
    assert TERMINAL[api] not in " ".join(map(str, heard.got))
    seen = f"{heard.raised} after {len(heard.got)}"
    matrix.note("streams: what their readers meet", scenario.split(";")[0], api, seen)


@pytest.mark.parametrize("api", ASK)
def test_an_event_that_nobody_can_read_is_left_out(played, api: str):
    whole = ASK[api](played.url, "ok")
    assert whole.raised is None
    heard = ASK[api](played.url, "malformed:2")
    assert heard.raised is None
    assert len(whole.got) - 1 <= len(heard.got) <= len(whole.got)
    matrix.note("streams: what their readers meet", "malformed:2", api, f"all {len(heard.got)} others")
    matrix.note("streams: what their readers meet", "ok", api, f"all {len(whole.got)}")


def test_a_healthy_stream_is_the_same_byte_for_byte(replay, gateway):
    asked = {"model": "m", "messages": [], "stream": True}
    direct = httpx.post(f"{replay.url}/{HEALTHY.key}/v1/chat/completions", json=asked)
    through = httpx.post(f"{gateway.url}/same/openai/{HEALTHY.key}/v1/chat/completions", json=asked)

    assert direct.content == HEALTHY.body
    assert through.content == direct.content
    assert through.headers["content-type"] == direct.headers["content-type"]
    assert through.headers["x-request-id"] == "req_healthy"
