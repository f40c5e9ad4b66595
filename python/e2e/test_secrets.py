"""Known secrets are sent everywhere, and everything that comes out is searched for them."""

from __future__ import annotations

import base64

import httpx
import pytest

from plain import Plain, absent
from running import ADMIN_TOKEN, Gateway, route, upstream

# Ours: one that looks like a key, one that looks like nothing, and one that stands in a file.
OURS = {
    "keyed": "sk-ours-Zq81Lw0mVt55Xr2c",
    "worded": "blue.heron.over.the.lake",
    "filed": "red.fox.under.the.bridge",
}

# The callers': a secret for every way in which some API takes one.
HEADERS = {
    "authorization": "Bearer caller.first.word.of.four",
    "x-api-key": "sk-ant-caller-1f2e3d4c5b6a",
    "api-key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "x-goog-api-key": "AIzaSyCallerCallerCallerCaller000000001",
    "xi-api-key": "caller-xi-plain-word",
    "x-amz-security-token": "caller-amz-plain-word",
    "cookie": "session=caller-cookie-plain-word",
    "proxy-authorization": "Basic " + base64.b64encode(b"caller:proxy-plain-word").decode(),
}
QUERY = {"key": "caller-query-key-word", "api_key": "caller-query-api-key-word", "access_token": "caller-query-token"}
BODY = {"model": "m", "api_key": "caller-body-key-word"}


def secret_of(value: str) -> str:
    """A credential without what only says how it is sent."""
    return value.removeprefix("Bearer ").removeprefix("Basic ").removeprefix("session=")


CALLERS = {*map(secret_of, HEADERS.values()), *QUERY.values(), BODY["api_key"]}
PROMPT = "a prompt that is nobody's business"
WAYS = ["200", "400", "401", "402", "404", "429", "500", "503", "stream"]


def found(text: str, secrets) -> list[str]:
    """Which of these stand in a text."""
    return [secret for secret in secrets if secret in text]


def all_of(answer: httpx.Response) -> str:
    """Everything that an answer says."""
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
    return f"{answer.status_code} {answer.reason_phrase}\n{head}\n\n{answer.text}"


@pytest.fixture(scope="module")
def careless():
    server = Plain()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def talkative(careless, tmp_path_factory):
    """A gateway that logs all it can, with routes on our credentials and on the callers' own."""
    folder = tmp_path_factory.mktemp("talkative")
    file = folder / "filed.key"
    file.write_text(OURS["filed"] + "\n")
    config = '[log]\nlevel = "trace"\nformat = "json"\n'
    for name in OURS:
        source = f'file = "{file}"' if name == "filed" else f'env = "OURS_{name.upper()}"'
        config += upstream(name, careless.url, "openai", f"credential = {{ {source} }}")
        for disclose in ("full", "safe", "none"):
            config += route(f"/{name}/{disclose}", name, more=f'disclose = "{disclose}"\ntrail = "body"')
    config += upstream("theirs", careless.url, "openai") + route("/theirs", "theirs")
    config += upstream("absent", absent(), "openai") + route("/absent", "absent")
    env = {f"OURS_{name.upper()}": key for name, key in OURS.items() if name != "filed"}
    running = Gateway(folder, config, env)
    yield running
    running.stop()


def ask(url: str, **more: str) -> httpx.Response:
    """A request with a secret in every place."""
    body = {**BODY, "input": more.pop("prompt", "hello"), "stream": more.get("fail-with") == "stream"}
    headers = {**HEADERS, **more}
    return httpx.post(url, params=QUERY, headers=headers, json=body, timeout=20)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("disclose", ["full", "safe", "none"])
@pytest.mark.parametrize("name", OURS)
def test_our_credential_reaches_no_caller_whatever_the_upstream_says(talkative, name: str, disclose: str, how: str):
    answer = ask(f"{talkative.url}/{name}/{disclose}/v1/chat/completions", **{"fail-with": how})

    assert found(all_of(answer), OURS.values()) == []
    # The caller's own credentials were taken off before the upstream could repeat them.
    kept = {secret_of(HEADERS[name]) for name in HEADERS} | {QUERY["key"]}
    assert found(all_of(answer), kept) == []


def test_no_secret_stands_in_the_log_or_on_the_admin_port(talkative):
    for how in WAYS:
        ask(f"{talkative.url}/theirs/v1/chat/completions", **{"fail-with": how})
        ask(f"{talkative.url}/keyed/full/v1/chat/completions", **{"fail-with": how})
        ask(f"{talkative.url}/worded/full/v1/chat/completions", **{"fail-with": how})
        ask(f"{talkative.url}/filed/full/v1/chat/completions", **{"fail-with": how})
    for path in ("/absent/v1/x", "/nowhere", "/theirs/v1/ok", "/theirs/v1/die"):
        ask(f"{talkative.url}{path}", prompt=PROMPT)
    admin = [httpx.get(f"{talkative.admin}{path}", params=QUERY) for path in ("/healthz", "/readyz", "/nowhere")]
    for token in (ADMIN_TOKEN, secret_of(HEADERS["authorization"])):
        reload = httpx.post(f"{talkative.admin}/config/reload", headers={"authorization": f"Bearer {token}"})
        admin.append(reload)
    last = ask(f"{talkative.url}/theirs/v1/chat/completions", **{"fail-with": "400", "x-request-id": "the-last-one"})
    assert last.status_code == 400
    talkative.wait_for("the-last-one")

    assert found("".join(map(all_of, admin)), {*CALLERS, *OURS.values(), ADMIN_TOKEN}) == []
    assert found(talkative.said, OURS.values()) == []
    assert found(talkative.said, {*CALLERS, ADMIN_TOKEN}) == []
    assert PROMPT not in talkative.said


def test_a_bad_configuration_is_told_without_its_secrets(talkative, tmp_path):
    secret = "sk-file-Zq81Lw0mVt55Xr2c"
    config = upstream("a", "http://caller:word@127.0.0.1:1", "openai", f'credential = "{secret}"\nspeed = "{secret}"')
    with pytest.raises(AssertionError) as refused:
        Gateway(tmp_path, config + route("/", "a"))
    assert found(str(refused.value), {secret, "caller:word"}) == []
