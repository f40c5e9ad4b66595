"""A gateway that is told to end while an SDK has calls under way."""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from plain import Plain
from running import READY_S, Gateway, route, upstream


# So many that each of the gateway's two threads serves one.
CALLS = 8


@pytest.fixture
def slow():
    server = Plain()
    yield server
    server.stop()


def hold(sdk: openai.OpenAI) -> httpx.Response:
    """A call that the upstream answers only when the test lets it go."""
    return sdk.post("/hold", body={}, cast_to=httpx.Response)


def outcome(sdk: openai.OpenAI) -> openai.OpenAIError | None:
    """What becomes of a call that the upstream answers at once."""
    try:
        sdk.post("/echo", body={}, cast_to=httpx.Response)
    except (openai.APIConnectionError, openai.InternalServerError) as error:
        return error
    return None


def test_what_is_under_way_ends_well_and_nobody_else_is_kept_waiting(slow, tmp_path):
    gateway = Gateway(tmp_path, upstream("slow", slow.url, "openai") + route("/", "slow"))
    sdk = openai.OpenAI(base_url=gateway.url, api_key="k", max_retries=0, timeout=READY_S)
    host, port = gateway.url.removeprefix("http://").split(":")
    with ThreadPoolExecutor(CALLS) as pool, socket.create_connection((host, int(port)), READY_S) as late:
        late.sendall(b"POST /hold HTTP/1.1\r\nhost: localhost\r\n")
        calls = [pool.submit(hold, sdk) for _ in range(CALLS)]
        for _ in calls:
            assert slow.asked.acquire(timeout=READY_S)
        # Both threads have seen by now what came before these calls.
        gateway.tell(signal.SIGTERM)

        # Before it has heard of its end a call is served, on its way down one is sent away, then nobody is received.
        while not isinstance(error := outcome(sdk), openai.APIConnectionError):
            if error is not None:
                assert (error.status_code, error.response.headers["x-should-retry"]) == (503, "true")
        assert not isinstance(error, openai.APITimeoutError), "it is told at once"
        late.sendall(b"content-length: 2\r\n\r\n{}")
        told = b""
        while piece := late.recv(65536):
            told += piece
        head, _, body = told.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nconnection: close" in head.lower(), told
        assert b'"error":{"message":"the gateway is about to stop' in body, told

        slow.let_go.set()
        assert [call.result(timeout=READY_S).status_code for call in calls] == [200] * len(calls)
    assert gateway.stop() == 0
    assert "0 were cut" in gateway.said
