"""The official SDKs behind one face: one call each, and what its user hears."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anthropic
import cohere
import groq
import httpx
import mistralai.client
import mixedbread
import openai

MESSAGES = [{"role": "user", "content": "Say hello."}]
KEY = "sk-test-0000000000000000"
_count = itertools.count(1)


def _key() -> str:
    """A key of its own for each call, and so a lane: what one test is refused for holds no other one back."""
    return f"sk-test-{next(_count):016d}"

TIMEOUT_S = 20


@dataclass
class Heard:
    """What the user of an SDK hears."""

    # The class of what was raised, or None.
    raised: str | None = None
    # Everything that the exception says, by the SDK's own names.
    facts: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    # What came before: the answer, or the events of a stream.
    got: list[Any] = field(default_factory=list)

    @property
    def status(self) -> int | None:
        """The status, where the SDK tells it."""
        return self.facts.get("status_code")

    @property
    def retry_after_s(self) -> float | None:
        """The wait that the exact header tells."""
        exact = self.headers.get("retry-after-ms")
        return float(exact) / 1000 if exact is not None else None

    @property
    def error(self) -> dict:
        """The error's own members, wherever the envelope has them."""
        body = self.facts.get("body")
        if isinstance(body, str):
            try:
                body = json.loads(body)
            except ValueError:
                return {}
        if not isinstance(body, dict):
            return {}
        inner = body.get("error", body)
        return inner if isinstance(inner, dict) else body


@dataclass(frozen=True)
class Sdk:
    """An SDK, the dialect that it speaks, and how it is called."""

    name: str
    dialect: str
    # What follows the origin in its own base URL.
    path: str
    call: Callable[..., Heard]

    def ask(self, origin: str, *, headers: Mapping[str, str] | None = None, stream: str | None = None) -> Heard:
        """Asks once, without the SDK's own retries; `stream` names the kind of stream that is asked for."""
        return self.call(origin + self.path, dict(headers or {}), stream)


def _hear(ask: Callable[[], Any], errors: type[Exception], facts: Iterable[str], stream: bool) -> Heard:
    heard = Heard()
    answer = None
    try:
        answer = ask()
        if stream:
            heard.got.extend(answer)
        else:
            heard.got.append(answer)
    except errors as error:
        heard.raised = type(error).__name__
        heard.facts = {name: getattr(error, name, None) for name in facts}
        heard.request_id = getattr(error, "request_id", None)
        response = getattr(error, "response", None) or getattr(answer, "response", None)
        headers = getattr(error, "headers", None) or getattr(response, "headers", None) or {}
        heard.headers = {name.lower(): value for name, value in headers.items()}
    return heard


# === the family that shares one generator: openai, groq, anthropic, mixedbread ===

_FACTS = ("status_code", "message", "body", "code", "param", "type")
_openai = openai.OpenAI(api_key=KEY, base_url="http://127.0.0.1", max_retries=0, timeout=TIMEOUT_S)
_groq = groq.Groq(api_key=KEY, base_url="http://127.0.0.1", max_retries=0, timeout=TIMEOUT_S)
_anthropic = anthropic.Anthropic(api_key=KEY, base_url="http://127.0.0.1", max_retries=0, timeout=TIMEOUT_S)
_mixedbread = mixedbread.Mixedbread(api_key=KEY, base_url="http://127.0.0.1", max_retries=0, timeout=TIMEOUT_S)


def _ask_openai(base: str, headers: dict, stream: str | None) -> Heard:
    client = _openai.with_options(base_url=base, api_key=_key())

    def ask() -> Any:
        if stream == "responses":
            return client.responses.create(model="m", input="Say hello.", stream=True, extra_headers=headers)
        return client.chat.completions.create(
            model="m", messages=MESSAGES, stream=bool(stream), extra_headers=headers
        )

    return _hear(ask, openai.APIError, _FACTS, bool(stream))


def _ask_groq(base: str, headers: dict, stream: str | None) -> Heard:
    client = _groq.with_options(base_url=base, api_key=_key())

    def ask() -> Any:
        return client.chat.completions.create(
            model="m", messages=MESSAGES, stream=bool(stream), extra_headers=headers
        )

    return _hear(ask, groq.APIError, _FACTS, bool(stream))


def _ask_anthropic(base: str, headers: dict, stream: str | None) -> Heard:
    client = _anthropic.with_options(base_url=base, api_key=_key())

    def ask() -> Any:
        return client.messages.create(
            model="m", max_tokens=16, messages=MESSAGES, stream=bool(stream), extra_headers=headers
        )

    facts = (*_FACTS, "api_message", "error_code", "details")
    return _hear(ask, anthropic.APIError, facts, bool(stream))


def _ask_mixedbread(base: str, headers: dict, _stream: str | None) -> Heard:
    client = _mixedbread.with_options(base_url=base, api_key=_key())
    return _hear(
        lambda: client.embed(model="m", input="hello", extra_headers=headers), mixedbread.APIError, _FACTS, False
    )


# === the others, each with a generator of its own ===

_cohere_http = httpx.Client(timeout=TIMEOUT_S)


def _ask_mistral(base: str, headers: dict, stream: str | None) -> Heard:
    client = mistralai.client.Mistral(api_key=_key(), server_url=base, timeout_ms=TIMEOUT_S * 1000)
    method = client.chat.stream if stream else client.chat.complete
    return _hear(
        lambda: method(model="m", messages=MESSAGES, http_headers=headers),
        mistralai.client.errors.MistralError,
        ("status_code", "message", "body"),
        bool(stream),
    )


def _ask_cohere(base: str, headers: dict, stream: str | None) -> Heard:
    client = cohere.ClientV2(api_key=_key(), base_url=base, httpx_client=_cohere_http)
    method = client.chat_stream if stream else client.chat
    options = {"max_retries": 0, "additional_headers": headers}
    return _hear(
        lambda: method(model="m", messages=MESSAGES, request_options=options),
        cohere.core.ApiError,
        ("status_code", "body"),
        bool(stream),
    )


SDKS = (
    Sdk("openai", "openai", "/v1", _ask_openai),
    Sdk("groq", "groq", "", _ask_groq),
    Sdk("anthropic", "anthropic", "", _ask_anthropic),
    Sdk("mixedbread", "mixedbread", "", _ask_mixedbread),
    Sdk("mistralai", "mistral", "", _ask_mistral),
    Sdk("cohere", "cohere", "", _ask_cohere),
)
OPENAI = SDKS[0]
