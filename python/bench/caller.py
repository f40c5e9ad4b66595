"""One caller: the official SDK on one event loop, and what became of each of its calls."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import openai


class Call(NamedTuple):
    """One call of the SDK, whatever it repeated within; times are those of `time.perf_counter`."""

    begun: float
    ended: float
    # None if the answer was the right one, else what the user met.
    trouble: str | None

    @property
    def took(self) -> float:
        """Seconds from the call to its end."""
        return self.ended - self.begun


@dataclass(frozen=True)
class Whom:
    """Where to call, as whom, and how often the SDK may repeat."""

    base_url: str
    key: str
    retries: int

    def client(self) -> openai.AsyncOpenAI:
        """A client with nothing but these set."""
        return openai.AsyncOpenAI(base_url=self.base_url, api_key=self.key, max_retries=self.retries)

    def with_key(self, key: str) -> Whom:
        """The same as somebody else."""
        return replace(self, key=key)


class Log:
    """The calls of one caller, those that never ended included."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._open: dict[int, float] = {}
        self._numbers = itertools.count()

    async def note(self, ask: Callable[[str], Awaitable[str]]) -> None:
        """Makes one call and writes down how it ended."""
        number = next(self._numbers)
        words = f"call {number}"
        begun = self._open[number] = time.perf_counter()
        try:
            said = await ask(words)
            trouble = None if said.endswith(words) else "a wrong answer"
        except openai.OpenAIError as error:
            trouble = _name(error)
        del self._open[number]
        self.calls.append(Call(begun, time.perf_counter(), trouble))

    def close(self) -> list[Call]:
        """All calls; one that is still open ended now, without an answer."""
        now = time.perf_counter()
        return self.calls + [Call(begun, now, "unfinished") for begun in self._open.values()]


def asking(client: openai.AsyncOpenAI, prompts: Iterator[str] | None = None) -> Callable[[str], Awaitable[str]]:
    """What sends some words, after a longer prompt if there are any, and gives the answer's."""

    async def ask(words: str) -> str:
        messages = [{"role": "user", "content": words}]
        if prompts is not None:
            messages.insert(0, {"role": "system", "content": next(prompts)})
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages)
        return answer.choices[0].message.content or ""

    return ask


async def within(seconds: float, tasks: list[asyncio.Task[None]]) -> None:
    """Lets them run for so long at most."""
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        # A mistake of this script is no failure of the provider.
        task.result()


def _name(error: openai.OpenAIError) -> str:
    status = getattr(error, "status_code", None)
    return f"{type(error).__name__} {status}" if status else type(error).__name__
