"""Everything that can happen, to every SDK, in its own API's words: the mock fails, and nothing is lost on the way."""

from __future__ import annotations

import json

import pytest

import matrix
from dialects import dialect, kinds
from sdks import SDKS, Heard, Sdk

MESSAGE = "Something in particular went wrong."


def without_ids(heard: Heard) -> dict:
    """What was said, but for the id that is new in every answer."""
    said = json.dumps(heard.facts, default=str)
    for name in ("x-request-id", "request-id", "x-trace-id", "x-debug-trace-id", "mistral-correlation-id"):
        if (value := heard.headers.get(name)):
            said = said.replace(value, "ID")
    return json.loads(said)


def alike(name: str, kind: str) -> set[str]:
    """The kinds that this API tells in the very same words."""
    rows = dialect(name)["kinds"]
    return {other for other, row in rows.items() if row == rows[kind]}


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_each_kind_sounds_as_the_api_itself(mocks, played, sdk: Sdk, kind: str):
    scenario = {"mock-scenario": f"{kind};message={MESSAGE}"}
    direct = sdk.ask(mocks[sdk.dialect].url, headers=scenario)
    through = sdk.ask(f"{played.url}/{sdk.dialect}", headers=scenario)

    assert direct.raised is not None
    assert through.raised == direct.raised
    assert without_ids(through) == without_ids(direct)
    assert MESSAGE in json.dumps(through.facts["body"])
    assert through.status == dialect(sdk.dialect)["kinds"][kind]["status"]
    assert through.headers["aplomb-kind"] in alike(sdk.dialect, kind)
    if through.headers["aplomb-kind"] == kind:
        assert through.headers["x-should-retry"] == str(kinds()[kind].get("retryable", False)).lower()
    matrix.note("kinds: what each SDK raises", kind, sdk.name, f"{through.raised} {through.status}")


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_a_wait_is_told_exactly(played, sdk: Sdk):
    heard = sdk.ask(f"{played.url}/{sdk.dialect}", headers={"mock-scenario": "rate_limit;wait=90s"})
    assert (heard.status, heard.headers["retry-after"], heard.retry_after_s) == (429, "90", 90.0)
    assert heard.headers["x-should-retry"] == "true"


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_a_parameter_at_fault_is_named(mocks, played, sdk: Sdk):
    scenario = {"mock-scenario": "validation;param=messages.0.content"}
    direct = sdk.ask(mocks[sdk.dialect].url, headers=scenario)
    through = sdk.ask(f"{played.url}/{sdk.dialect}", headers=scenario)
    assert without_ids(through) == without_ids(direct)
    assert through.facts.get("param") == direct.facts.get("param")


@pytest.mark.parametrize("scenario", ["html:502", "text:500", "empty:500", "truncated:429", "gzip:429", "br:429"])
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_what_no_sdk_could_read_is_told_in_its_own_words(played, sdk: Sdk, scenario: str):
    heard = sdk.ask(f"{played.url}/{sdk.dialect}", headers={"mock-scenario": scenario})
    assert heard.status >= 400
    assert heard.headers["content-type"].startswith("application/json")
    assert heard.headers["x-should-retry"] in ("true", "false")
    body = heard.facts["body"]
    assert isinstance(body if sdk.name != "mistralai" else json.loads(body), dict)
    matrix.note("what no SDK could read", scenario, sdk.name, f"{heard.raised} {heard.status}")


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_a_good_answer_is_a_good_answer(played, sdk: Sdk):
    heard = sdk.ask(f"{played.url}/{sdk.dialect}", headers={"mock-scenario": "ok"})
    assert (heard.raised, len(heard.got)) == (None, 1)
