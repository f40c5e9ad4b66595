"""Three gateways on one PostgreSQL and one counting server: what holds whichever of them fails.

Callers ask all three under one key of ours, mostly new things, sometimes one thing at two gateways at once, while a
gateway is killed and started again, the counting server can't be reached for a while, and PostgreSQL loses every
connection. Afterwards the upstream's own ledger, the balance and the kept answers must agree to the micro-unit.

`FLEET_SECONDS` says how long; a minute for the record, less in the daily run.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from urllib.parse import urlsplit

import httpx
import pytest

import matrix
from cable import Cable
from running import ADMIN_TOKEN, Gateway

SECONDS = float(os.environ.get("FLEET_SECONDS", "15"))
RATE, BURST, PRICE, MONEY = 20, 20, 7, 10**12
CALLERS = 8


class Ledger:
    """The upstream: every request that reaches it has an effect, and it knows which."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()

    async def serve(self) -> tuple[asyncio.Server, str]:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                thing = json.loads(await reader.readexactly(length))["thing"]
                self.effects[thing] += 1
                body = json.dumps({"done": thing}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


class Fleet:
    """Three gateways, one configuration."""

    def __init__(self, folder, upstream: str, store: str, counting: str) -> None:
        self.folder = folder
        self.config = (
            f'[store]\nurl = "{store}"\n[shared]\nurl = "{counting}"\n'
            f'[tier.fleet-{os.getpid()}]\nrequests = "{RATE}/s burst {BURST}"\n'
            f'[[upstream]]\nname = "u"\nurl = "{upstream}"\n'
            f'[[route]]\npath = "/"\nupstream = "u"\nanswer = "openai"\nkeys = "required"\n'
            f'tier = "fleet-{os.getpid()}"\nprice = {{ request = {PRICE} }}\non_store_down = "closed"\n'
            f'idempotency = "required"\nretry = {{ attempts = 1 }}\n'
        )
        self.gateways = [self.start(n) for n in range(3)]

    def start(self, number: int) -> Gateway:
        folder = self.folder / str(number)
        folder.mkdir(exist_ok=True)
        return Gateway(folder, self.config)

    def kill(self, number: int) -> None:
        self.gateways[number].tell(signal.SIGKILL)
        self.gateways[number].stop()

    def stop(self) -> None:
        for gateway in self.gateways:
            gateway.stop()


async def ask(client: httpx.AsyncClient, url: str, key: str, thing: str) -> httpx.Response | None:
    headers = {"authorization": f"Bearer {key}", "idempotency-key": thing}
    try:
        return await client.post(f"{url}/things", headers=headers, json={"thing": thing})
    except httpx.HTTPError:
        return None


async def call_on(fleet: Fleet, key: str, name: int, until: float, seen: Counter, asked: set[str]) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        number = 0
        while time.monotonic() < until:
            thing = f"{name}-{number}"
            asked.add(thing)
            urls = [fleet.gateways[(name + number) % 3].url]
            if number % 5 == 0:
                # The same thing at another gateway at the same time.
                urls.append(fleet.gateways[(name + number + 1) % 3].url)
            for answer in await asyncio.gather(*(ask(client, url, key, thing) for url in urls)):
                seen[answer.status_code if answer is not None else "gone"] += 1
            # Nobody comes as fast as it can: what is refused is cheap, and would crowd out what is not.
            await asyncio.sleep(0.05)
            number += 1


async def trouble(fleet: Fleet, store: Cable, counting: Cable) -> None:
    part = SECONDS / 10
    await asyncio.sleep(2 * part)
    await asyncio.to_thread(fleet.kill, 0)
    await asyncio.sleep(part)
    fleet.gateways[0] = await asyncio.to_thread(fleet.start, 0)
    await asyncio.sleep(part)
    counting.cut()
    await asyncio.sleep(min(10, 2 * part))
    counting.mend()
    await asyncio.sleep(part)
    store.cut()
    await asyncio.sleep(part / 2)
    store.mend()


async def office(gateway: Gateway, method: str, path: str, body: dict | None = None) -> dict:
    async with httpx.AsyncClient(timeout=30) as client:
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = await client.request(method, f"{gateway.admin}{path}", headers=headers, json=body)
        assert answer.is_success, answer.text
        return answer.json()


async def whole(folder) -> dict:
    behind = urlsplit(os.environ["APLOMB_TEST_POSTGRES"])
    counter = urlsplit(os.environ["APLOMB_TEST_REDIS"])
    store, counting = Cable(behind.hostname, behind.port), Cable(counter.hostname, counter.port)
    user = f"{behind.username}@" if behind.username else ""
    ledger = Ledger()
    server, upstream = await ledger.serve()
    store_url = f"postgres://{user}127.0.0.1:{await store.lay()}{behind.path}"
    counting_url = f"redis://127.0.0.1:{await counting.lay()}"
    fleet = await asyncio.to_thread(Fleet, folder, upstream, store_url, counting_url)
    try:
        account = f"fleet-{os.getpid()}"
        await office(fleet.gateways[1], "POST", "/accounts", {"name": account})
        await office(fleet.gateways[1], "POST", f"/accounts/{account}/ledger", {"kind": "top_up", "amount": MONEY})
        key = (await office(fleet.gateways[1], "POST", "/keys", {"account": account}))["key"]
        seen, asked = Counter(), set()
        began = time.monotonic()
        callers = [call_on(fleet, key, n, began + SECONDS, seen, asked) for n in range(CALLERS)]
        await asyncio.gather(trouble(fleet, store, counting), *callers)
        took = time.monotonic() - began
        done = sum(ledger.effects.values())
        finished = await finish(fleet, key, asked, ledger)
        told = await settled(fleet.gateways[1], account)
        return {"seen": seen, "took": took, "done": done, "finished": finished, "ledger": ledger, "account": told}
    finally:
        await asyncio.to_thread(fleet.stop)
        store.take_up()
        counting.take_up()
        server.close()


async def finish(fleet: Fleet, key: str, asked: set[str], ledger: Ledger) -> Counter:
    """Asks for everything once more, as slowly as the limit wants it: what each thing came to."""
    came: Counter[str] = Counter()
    before = Counter(ledger.effects)
    async with httpx.AsyncClient(timeout=30) as client:
        for number, thing in enumerate(sorted(thing for thing in asked if before[thing])):
            while True:
                answer = await ask(client, fleet.gateways[number % 3].url, key, thing)
                unknown = answer is not None and answer.headers.get("aplomb-outcome") == "unknown"
                if unknown or (answer is not None and answer.status_code not in (409, 429, 503)):
                    break
                wait = answer.headers.get("retry-after-ms", "100") if answer is not None else "100"
                await asyncio.sleep(float(wait) / 1000)
            came["unknown" if unknown else str(answer.status_code)] += 1
            if answer.status_code == 200:
                assert answer.json() == {"done": thing}
                assert answer.headers.get("idempotent-replayed") == "true", f"{thing} was carried out and is not kept"
    return came


async def settled(gateway: Gateway, account: str) -> dict:
    """The account once nothing is put aside any more: a killed gateway's money comes back after half a minute."""
    until = time.monotonic() + 60
    while (told := await office(gateway, "GET", f"/accounts/{account}"))["reserved"] and time.monotonic() < until:
        await asyncio.sleep(0.5)
    return told


@pytest.mark.skipif("APLOMB_TEST_POSTGRES" not in os.environ or "APLOMB_TEST_REDIS" not in os.environ, reason="no servers")
def test_three_gateways_are_one_whatever_fails(tmp_path):
    came = asyncio.run(whole(tmp_path))
    seen, finished, account = came["seen"], came["finished"], came["account"]
    most = BURST + RATE * came["took"] * 1.01
    rows = {"seconds": round(came["took"]), "told": dict(seen), "carried out": came["done"], "limit": round(most), "asked again": dict(finished)}
    for row, told in rows.items():
        matrix.note("three gateways, each part failing in turn", row, "seen", str(told))
    assert max(came["ledger"].effects.values()) == 1, "one effect for each key"
    assert came["done"] <= most, "no more than the limit of all"
    assert seen[200] > SECONDS * 5 and seen[429] > 0 and seen[503] > 0, f"too little happened: {seen}"
    assert account["reserved"] == 0
    assert account["balance"] == MONEY - PRICE * finished["200"], "paid once for each answer that is kept"
