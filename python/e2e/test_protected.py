"""The contracts, whole: each documented status by a real trigger before an API that knows no error of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import matrix
from dialects import ROOT
from notes import EXAMPLE, Notes
from plain import absent
from protected import CHAT, CONTRACTS, GOOD, TRIGGERS, check, config, documented, keyed, post, without
from running import ADMIN_TOKEN, Gateway, binary

TITLE = "contracts before an API without errors: status by trigger"
PAGE = ROOT / "docs/contracts.md"
# Nobody is left to be answered: what was seen stands in the log.
GONE = "a caller that hangs up"
NO_KEY, REVOKED, NARROW = "a request without a key", "a key that was taken back", "a key for another route"
NO_MONEY = "an account without money"
IN_USE = "an idempotency key in use"


@pytest.fixture(scope="module")
def notes():
    server = Notes()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def protected(notes, tmp_path_factory):
    """A gateway with routes for each contract, and a store for keys and money."""
    folder = tmp_path_factory.mktemp("protected")
    running = Gateway(folder, config(notes.url, absent(), store=str(folder / "aplomb.db")))
    yield running
    running.stop()


def office(gateway: Gateway, *args: str) -> dict:
    """Asks the admin port of a gateway as its operator does."""
    env = {**os.environ, "APLOMB_ADMIN_TOKEN": ADMIN_TOKEN}
    command = [binary(), *args, "--admin", gateway.admin, "--json"]
    said = subprocess.run(command, env=env, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


@pytest.fixture(scope="module")
def keys(protected):
    """Keys of an account without money: one for everything, one that is good for nothing here, one taken back."""

    office(protected, "accounts", "create", "poor")
    made = {"good": office(protected, "keys", "create", "--account", "poor")["key"]}
    made["narrow"] = office(protected, "keys", "create", "--account", "poor", "--route", "/elsewhere")["key"]
    made["revoked"] = office(protected, "keys", "create", "--account", "poor")["key"]
    office(protected, "keys", "revoke", made["revoked"])
    return made


def test_the_document_of_the_example_is_what_its_app_says():
    import sys

    sys.path.insert(0, str(EXAMPLE))
    try:
        from app import app
    finally:
        sys.path.remove(str(EXAMPLE))
    assert json.loads((EXAMPLE / "openapi.json").read_text()) == json.loads(json.dumps(app.openapi()))


def test_the_example_protects_its_app(notes, tmp_path):
    text = (EXAMPLE / "aplomb.toml").read_text().replace("http://127.0.0.1:8000", notes.url)
    shutil.copy(EXAMPLE / "openapi.json", tmp_path)
    running = Gateway(tmp_path, text)
    try:
        office(running, "accounts", "create", "acme")
        office(running, "accounts", "top-up", "acme", "1", "--reference", "first")
        key = {"authorization": f"Bearer {office(running, 'keys', 'create', '--account', 'acme')['key']}"}
        assert httpx.get(f"{running.url}/v1/notes", timeout=20).status_code == 401
        with httpx.Client(base_url=running.url, headers=key, timeout=20) as caller:
            once = {"idempotency-key": "one"}
            first, again = (caller.post(CHAT, json=GOOD, headers=once) for _ in range(2))
            assert first.status_code == again.status_code == 200 and first.content == again.content
            assert again.headers["idempotent-replayed"] == "true"
            wrong = caller.post(CHAT, json={**GOOD, "model": "notes-smal", "temperature": 9})
            assert wrong.status_code == 422 and len(wrong.json()["error"]["field_errors"]) == 2
            assert caller.get("/v1/gone").status_code == 404
            asked = (caller.get("/v1/notes") for _ in range(100))
            refused = next(answer for answer in asked if answer.status_code != 200)
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    finally:
        running.stop()


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: trigger.what)
@pytest.mark.parametrize("contract", CONTRACTS)
def test_what_goes_wrong_is_told_by_the_contract(protected, contract: str, trigger):
    answer = trigger.send(protected.url, contract)

    check(contract, answer)
    assert answer.headers["aplomb-kind"] == trigger.kind
    mark = " (upstream)" if trigger.by_upstream else ""
    matrix.note(TITLE, trigger.what, contract, f"{answer.status_code}{mark}")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_success_is_the_upstreams_own(protected, notes, contract: str):
    for method, path, body in (
        ("POST", CHAT, GOOD),
        ("POST", "/v1/notes", {"title": "First"}),
        ("GET", "/v1/notes?limit=5&q=x", None),
        ("GET", "/v1/notes/n1/text", None),
    ):
        headers = {"range": "bytes=0-3"} if path.endswith("text") else {}
        through = httpx.request(method, f"{protected.url}/{contract}{path}", json=body, headers=headers, timeout=20)
        direct = httpx.request(method, f"{notes.url}{path}", json=body, headers=headers, timeout=20)
        assert (through.status_code, through.content) == (direct.status_code, direct.content)


def test_agenthumans_own_example_comes_word_for_word(protected):
    answer = post(without("messages"))(protected.url, "agenthuman")
    error = answer.json()["error"]
    # Its page: "The 'role_id' field is required", for a route whose field is called so.
    assert (answer.status_code, error["code"]) == (400, "invalid_parameters")
    assert error["message"] == "The 'messages' field is required"
    assert (error["details"]["field"], error["details"]["requirement"]) == ("messages", "required")


def test_agenthumans_limits_stand_in_its_headers_and_details(protected):
    answer = next(one for one in TRIGGERS if one.what == "a tier that is used up").send(protected.url, "agenthuman")
    details, headers = answer.json()["error"]["details"], answer.headers
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert (details["limit"], details["window"]) == (1, "1 minute")
    assert 0 < details["retry_after"] <= 60 and 0 < int(headers["retry-after"]) <= 60
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("1", "0")
    assert time.time() < int(headers["x-ratelimit-reset"]) <= time.time() + 61


def test_every_field_is_told_in_the_form_of_the_dialect(protected):
    wrong = {**without("model"), "temperature": 9, "max_tokens": 0, "extra": 1}
    fields = {"model", "temperature", "max_tokens", "extra"}
    detail = post(wrong)(protected.url, "fastapi").json()["detail"]
    assert {one["loc"][-1] for one in detail} == fields
    assert {one["type"] for one in detail} == {"missing", "less_than_equal", "greater_than_equal", "extra_forbidden"}
    error = post(wrong)(protected.url, "openai").json()["error"]
    assert error["param"] == "model"
    assert {one["param"] for one in error["field_errors"]} == fields
    assert "did you mean 'notes-small'?" in post({**GOOD, "model": "notes-smal"})(protected.url, "groq").text


@pytest.mark.parametrize("contract", CONTRACTS)
def test_keys_and_money_are_told_by_the_contract(protected, keys, contract: str):
    for what, path, key, kind in (
        (NO_KEY, "keyed", None, "authentication"),
        (REVOKED, "keyed", keys["revoked"], "authentication"),
        (NARROW, "keyed", keys["narrow"], "permission"),
        (NO_MONEY, "priced", keys["good"], "payment_required"),
    ):
        headers = keyed(contract, key) if key else {}
        answer = httpx.get(f"{protected.url}/{path}/{contract}/v1/notes", headers=headers, timeout=20)
        check(contract, answer)
        assert answer.headers["aplomb-kind"] == kind, what
        matrix.note(TITLE, what, contract, str(answer.status_code))
    let_in = httpx.get(f"{protected.url}/keyed/{contract}/v1/notes", headers=keyed(contract, keys["good"]), timeout=20)
    assert let_in.status_code == 200


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_key_in_use_is_told_by_the_contract(protected, contract: str):
    def send() -> httpx.Response:
        # The upstream sleeps, so that the first is still under way when the second comes.
        headers = {"idempotency-key": f"twice-{contract}"}
        return httpx.post(f"{protected.url}/once/{contract}/v1/notes/sleep", headers=headers, json={}, timeout=20)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: send(), range(2)))
    second = next(answer for answer in answers if answer.headers["aplomb-kind"] == "conflict")
    check(contract, second)
    assert second.headers["x-should-retry"] == "true" and int(second.headers["retry-after"]) >= 1
    matrix.note(TITLE, IN_USE, contract, str(second.status_code))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_caller_that_hangs_up_is_told_to_the_log_as_499(protected, contract: str):
    path = f"/{contract}/v1/notes/sleepy"
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{protected.url}/patient{path}", timeout=0.3)
    protected.wait_for(rf'"asked":"GET /patient{path}"[^\n]*"status":499')
    matrix.note(TITLE, GONE, contract, "499 (log)")


def test_the_methods_that_are_taken_are_named(protected):
    answer = post(GOOD, method="DELETE")(protected.url, "openai")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def page() -> str:
    """The matrix as it stands in the documentation."""
    seen = matrix.rows(TITLE)
    lines = [
        "# The contracts, seen",
        "",
        "Written by `python/e2e/test_protected.py`, which causes each of these before the API of `examples/fastapi/` and looks at status, headers and body.",
        "The API itself answers 200, 201 and 206, sleeps, dies or is absent; what only an upstream can say is marked.",
        "",
        "| trigger | " + " | ".join(f"`{name}`" for name in CONTRACTS) + " |",
        "|---|" + "---|" * len(CONTRACTS),
    ]
    for what in (*(trigger.what for trigger in TRIGGERS), NO_KEY, REVOKED, NARROW, NO_MONEY, IN_USE, GONE):
        lines.append(f"| {what} | " + " | ".join(seen[what].get(name, "·") for name in CONTRACTS) + " |")
    lines += ["", "## Not seen yet", "", "Documented, and not caused by any of these.", "", "| contract | statuses |", "|---|---|"]
    for name in CONTRACTS:
        statuses = {int(cells[name].split()[0]) for cells in seen.values() if name in cells}
        missing = sorted(documented(name) - statuses)
        lines.append(f"| `{name}` | {', '.join(map(str, missing)) or 'none'} |")
    return "\n".join(lines) + "\n"


@pytest.mark.after(len(TRIGGERS) * len(CONTRACTS))
def test_the_page_of_the_contracts_is_fresh():
    """Runs last in this file: `APLOMB_WRITE=1` writes the page, else it must be what was seen."""
    if os.environ.get("APLOMB_WRITE"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run it with APLOMB_WRITE=1 and commit what it writes"
