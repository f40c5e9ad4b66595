"""Schemathesis against the API of `examples/fastapi/` through the gateway: whatever it thinks up, the contract holds."""

from __future__ import annotations

import json

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from notes import EXAMPLE, Notes
from plain import absent
from protected import check, config
from running import Gateway

# One contract with a list of field errors, one with a single one, one that is closed: the rest share their templates.
ATTACKED = ("fastapi", "openai", "mimo")
DOCUMENT = schemathesis.openapi.from_dict(json.loads((EXAMPLE / "openapi.json").read_text()))


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A gateway before the app for each contract alone: then a path that belongs to no route is told in it too."""
    notes = Notes()
    folder = tmp_path_factory.mktemp
    running = {name: Gateway(folder(name), config(notes.url, absent(), (name,))) for name in ATTACKED}
    yield running
    for gateway in running.values():
        gateway.stop()
    notes.stop()


@pytest.mark.parametrize("contract", ATTACKED)
@DOCUMENT.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_sent_the_contract_holds(case, attacked, contract):
    said = case.call(base_url=f"{attacked[contract].url}/{contract}", timeout=20)
    headers = [(name, value) for name, values in said.headers.items() for value in values]
    # Its body came unpacked.
    headers = [(name, value) for name, value in headers if name.lower() != "content-encoding"]
    answer = httpx.Response(said.status_code, headers=headers, content=said.content)

    assert answer.status_code < 500, (case.as_curl_command(), answer.headers, answer.text)
    if answer.status_code < 400:
        assert answer.headers["aplomb-attempts"] == "1"
        return
    assert answer.headers["aplomb-fault"] == "caller"
    assert answer.headers["aplomb-attempts"] == "0", "the app heard of it"
    try:
        check(contract, answer)
    except AssertionError as wrong:
        raise AssertionError(f"{case.as_curl_command()}\n{answer.headers}\n{answer.text}") from wrong
