"""The jobs: who calls how often and when, each giving one dictionary of numbers."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import random
import time
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from caller import Call, Log, Whom, asking, within
from figures import Limit, empty_again, jain, outcome, percentile
from provider import Provider


def work(whom: Whom, provider: Provider, options: Namespace) -> dict[str, Any]:
    """So many calls, done by so many workers as fast as they can."""
    calls = asyncio.run(_crew(whom, options))
    numbers = outcome(calls, provider.seen())
    if options.rate:
        limit = Limit(options.rate, options.burst, options.latency)
        numbers["optimum_s"] = limit.optimum(numbers["done"])
        numbers["speed"] = numbers["optimum_s"] / numbers["wall_s"]
    return numbers


def tokens(whom: Whom, provider: Provider, options: Namespace) -> dict[str, Any]:
    """The same with prompts of all sizes, where tokens are limited and not calls."""
    calls = asyncio.run(_crew(whom, options, prompts()))
    seen = provider.seen()
    numbers = outcome(calls, seen)
    limit = Limit(options.rate, options.burst, options.latency)
    taken = sum(one.tokens for one in seen if one.status == 200)
    numbers["tokens"] = taken
    numbers["optimum_s"] = limit.optimum(taken)
    numbers["speed"] = numbers["optimum_s"] / numbers["wall_s"]
    numbers["share"] = taken / limit.allows(numbers["wall_s"] - options.latency)
    return numbers


def prompts() -> Iterator[str]:
    """Mostly a few hundred tokens, now and then some thousands; the same ones in every run."""
    sizes = random.Random(7)
    while True:
        yield "word " * max(8, min(int(sizes.lognormvariate(6.0, 0.9) * 4 / 5), 6_400))


async def _crew(whom: Whom, options: Namespace, sizes: Iterator[str] | None = None) -> list[Call]:
    left = iter(range(options.calls))
    log = Log()
    async with whom.client() as client:
        ask = asking(client, sizes)

        async def worker() -> None:
            for _ in left:
                await log.note(ask)

        workers = []
        for _ in range(options.workers):
            workers.append(asyncio.create_task(worker()))
            # One after the other: the loop would make all their first calls before it sent one.
            await asyncio.sleep(0)
        await within(options.patience, workers)
    return log.close()


def outage(whom: Whom, provider: Provider, options: Namespace) -> dict[str, Any]:
    """Calls that come at a steady rate, whether those before them were answered or not, and a provider that is down."""
    begin = provider.begin()
    down, up = (begin + second for second in options.down)
    calls = asyncio.run(_arrivals(whom, options, begin))
    seen = provider.seen()
    numbers = outcome(calls, seen)
    met = sum(down <= call.begun < up for call in calls)
    tried = sum(down <= one.at < up for one in seen)
    later = [call for call in calls if call.begun >= up]
    took = [call.took for call in later if call.trouble is None]
    numbers |= {
        "outage_arrivals": met,
        "outage_calls": tried,
        "calls_per_arrival": tried / met,
        "optimum_s": (met - options.burst) / (options.rate - options.arrivals),
        # What is out at any moment when nobody waits, and a little for the unevenness of arrivals.
        "empty_after_s": empty_again(calls, up, options.arrivals * options.latency + 2),
        "later_lost": len(later) - len(took),
        "later_p50_s": percentile(took, 0.5),
        "later_p99_s": percentile(took, 0.99),
    }
    return numbers


async def _arrivals(whom: Whom, options: Namespace, begin: float) -> list[Call]:
    log = Log()
    async with whom.client() as client:
        ask = asking(client)
        tasks = []
        for number in range(int(options.arrivals * options.seconds)):
            due = begin + number / options.arrivals
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            tasks.append(asyncio.create_task(log.note(ask)))
        await within(options.patience, tasks)
    return log.close()


def fleet(whom: Whom, provider: Provider, options: Namespace) -> dict[str, Any]:
    """Many processes with one credential, each as fast as it can for the same time."""
    parties = [(whom, options.workers)] * options.processes
    each = _processes(parties, options)
    numbers = outcome(list(itertools.chain(*each)), provider.seen())
    shares = [sum(call.trouble is None for call in calls) for calls in each]
    limit = Limit(options.rate, options.burst, options.latency)
    # What was asked for in that time is answered a little later; the whole time counts.
    numbers["speed"] = limit.optimum(numbers["done"]) / numbers["wall_s"]
    numbers["jain"] = jain(shares)
    numbers["least"], numbers["most"] = min(shares), max(shares)
    return numbers


def neighbours(whom: Whom, provider: Provider, options: Namespace) -> dict[str, Any]:
    """A caller with one call at a time, alone or beside one who floods."""
    parties = [(whom.with_key("sk-quiet"), 1)]
    if options.flood:
        parties.append((whom.with_key("sk-flood"), options.flood))
    quiet, *flood = _processes(parties, options)
    numbers = outcome(quiet, provider.seen())
    # How many of the provider's calls were whose can't be told: their credential is one.
    del numbers["calls_per_success"]
    numbers["flood_done"] = sum(call.trouble is None for call in itertools.chain(*flood))
    numbers["flood_lost"] = sum(call.trouble is not None for call in itertools.chain(*flood))
    return numbers


def _processes(parties: list[tuple[Whom, int]], options: Namespace) -> list[list[Call]]:
    """The calls of each party, all of which begin at one moment; each is a process of its own."""
    # Forked after the SDK was loaded: twenty interpreters that load it at once would be the bottleneck.
    context = multiprocessing.get_context("fork")
    begin = time.perf_counter() + 1.0
    running = []
    for whom, workers in parties:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_party, args=(whom, workers, begin, options, theirs))
        process.start()
        theirs.close()
        running.append((process, ours))
    each = []
    for process, pipe in running:
        each.append([Call(*call) for call in pipe.recv()])
        process.join()
    return each


def _party(whom: Whom, workers: int, begin: float, options: Namespace, pipe: Any) -> None:
    pipe.send([tuple(call) for call in asyncio.run(_timed(whom, workers, begin, options))])


async def _timed(whom: Whom, workers: int, begin: float, options: Namespace) -> list[Call]:
    log = Log()
    async with whom.client() as client:
        ask = asking(client)

        async def worker() -> None:
            await asyncio.sleep(max(begin - time.perf_counter(), 0))
            while time.perf_counter() < begin + options.seconds:
                await log.note(ask)

        tasks = [asyncio.create_task(worker()) for _ in range(workers)]
        await within(options.seconds + options.patience, tasks)
    return log.close()
