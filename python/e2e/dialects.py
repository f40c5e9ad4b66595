"""The names of the dialects that Aplomb knows, as its data files have them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "crates/aplomb-core/spec"


@cache
def _names() -> dict[str, str]:
    names = {}
    for path in sorted((SPEC / "dialects").glob("*.toml")):
        file = tomllib.loads(path.read_text())
        names |= {name: path.stem for name in (path.stem, *file.get("aliases", []))}
    return names


@cache
def kinds() -> dict[str, dict]:
    """What can happen: a row per kind."""
    return tomllib.loads((SPEC / "kinds.toml").read_text())["kind"]


@cache
def dialect(name: str) -> dict:
    """Everything that one file says."""
    return tomllib.loads((SPEC / f"dialects/{name}.toml").read_text())


def advice(status: int) -> str | None:
    """What to do about a status when nothing else is known."""
    fits = (row["advice"] for row in kinds().values() if row["status"] == status)
    return next(fits, None)


def known(provider: str) -> str:
    """The dialect of a provider, or `auto` where there is no file for it."""
    return _names().get(provider, "auto")
