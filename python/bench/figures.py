"""From calls and what the provider saw to the numbers of the report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from caller import Call
from provider import Seen


@dataclass(frozen=True)
class Limit:
    """What the provider allows: so much a second, and so much at once before that."""

    rate: float
    burst: float
    latency: float

    def optimum(self, amount: float) -> float:
        """The shortest time in which so much can be had."""
        return max(amount - self.burst, 0.0) / self.rate + self.latency

    def allows(self, seconds: float) -> float:
        """What can be had in so long, from a full bucket."""
        return self.burst + self.rate * seconds


def outcome(calls: Sequence[Call], seen: Sequence[Seen]) -> dict[str, Any]:
    """What every job tells: done, lost, waste, and how long a call took."""
    done = [call.took for call in calls if call.trouble is None]
    return {
        "calls": len(calls),
        "done": len(done),
        "lost": len(calls) - len(done),
        "troubles": dict(Counter(call.trouble for call in calls if call.trouble is not None)),
        "wall_s": span(calls),
        "upstream_calls": len(seen),
        "statuses": dict(Counter(str(one.status) for one in seen)),
        "calls_per_success": len(seen) / len(done) if done else None,
        "p50_s": percentile(done, 0.5),
        "p99_s": percentile(done, 0.99),
    }


def span(calls: Sequence[Call]) -> float:
    """From the first call's begin to the last one's end."""
    return max(call.ended for call in calls) - min(call.begun for call in calls)


def percentile(values: Iterable[float], share: float) -> float | None:
    """The value below which this share lies, nearest rank."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)] if ordered else None


def jain(shares: Sequence[float]) -> float | None:
    """Jain's fairness: 1 if all have the same, 1/n if one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else None


def empty_again(calls: Sequence[Call], since: float, usual: float) -> float | None:
    """How long after this moment no more calls were out than usual."""
    changes = sorted([(call.begun, 1) for call in calls] + [(call.ended, -1) for call in calls])
    out = 0
    waited = False
    for at, change in changes:
        if at > since and not waited:
            waited = True
            if out <= usual:
                return 0.0
        out += change
        if at > since and out <= usual:
            return at - since
    return None
