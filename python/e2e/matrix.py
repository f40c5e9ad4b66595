"""What was seen, gathered while the tests run and printed as tables when they are over."""

from __future__ import annotations

from collections import defaultdict

# title → row → column → what stands there
_TABLES: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))


def note(title: str, row: str, column: str, seen: str) -> None:
    """Remembers one cell."""
    _TABLES[title][row][column] = seen


def _lines(rows: dict[str, dict[str, str]]) -> list[str]:
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    table = [["", *columns]] + [[row, *(cells.get(column, "·") for column in columns)] for row, cells in rows.items()]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns) + 1)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]


def tables() -> list[tuple[str, list[str]]]:
    """Every table with its title, as lines of text."""
    return [(title, _lines(rows)) for title, rows in _TABLES.items()]


def rows(title: str) -> dict[str, dict[str, str]]:
    """What one table has so far."""
    return _TABLES[title]
