"""Does one job of `cargo xtask bench goodput` with the official OpenAI SDK and prints its numbers as one JSON object."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource

import jobs
from caller import Whom
from provider import Provider

JOBS = {"work": jobs.work, "tokens": jobs.tokens, "outage": jobs.outage, "fleet": jobs.fleet, "neighbours": jobs.neighbours}


def read() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--base-url", required=True, help="where the SDK calls")
    parser.add_argument("--mock", required=True, help="the provider, to ask it what it saw")
    parser.add_argument("--retries", type=int, default=2, help="the SDK's max_retries")
    parser.add_argument("--patience", type=float, default=300, help="seconds after which a job is cut short")
    parser.add_argument("--rate", type=float, default=0, help="the provider's limit, each second")
    parser.add_argument("--burst", type=float, default=0, help="what it allows at once")
    parser.add_argument("--latency", type=float, default=0, help="how long it takes for an answer")
    parser.add_argument("--calls", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="for how long calls are begun")
    parser.add_argument("--arrivals", type=float, default=0, help="calls each second")
    parser.add_argument("--down", type=float, nargs=2, help="from which until which second the provider is down")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--flood", type=int, default=0, help="workers of the other caller")
    return parser.parse_args()


async def warm(url: str) -> None:
    """Has the SDK load what it loads on its first call, straight to the provider."""
    async with Whom(f"{url}/v1", "sk-warm", 0).client() as client:
        await client.chat.completions.create(model="mock:ok", messages=[{"role": "user", "content": "warm"}])


def spent() -> float:
    """Processor time of this process and its children, in seconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Does the job."""
    options = read()
    asyncio.run(warm(options.mock))
    provider = Provider(options.mock)
    before = spent()
    numbers = JOBS[options.job](Whom(options.base_url, "sk-bench", options.retries), provider, options)
    numbers["caller_cpu_s"] = spent() - before
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
