"""What the end-to-end tests share: the replay server, the gateways, and the tables printed at the end."""

from __future__ import annotations

import pytest

import matrix
from cases import HEALTHY, captured, corpus
from dialects import known
from replay import Replay
from running import Gateway, Mock, route, upstream


@pytest.fixture(scope="session")
def replay():
    """Answers with what real APIs sent."""
    server = Replay([*captured(), *corpus(), HEALTHY])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gateway(replay, tmp_path_factory):
    """Before the replay server: `/same/NAME` tells failures as they come, `/openai/NAME` as OpenAI would."""
    dialects = sorted({case.dialect for case in [*captured(), *corpus()]})
    config = "".join(
        upstream(name, replay.url, known(name))
        + route(f"/same/{name}", name)
        + route(f"/openai/{name}", name, answer="openai")
        for name in dialects
    )
    running = Gateway(tmp_path_factory.mktemp("replayed"), config)
    yield running
    running.stop()


# Whose failures are played, and by which path they are reached.
PLAYED = ("openai", "groq", "anthropic", "mixedbread", "mistral", "cohere", "gemini")


@pytest.fixture(scope="session")
def mocks():
    """A mock of each of these, by name."""
    running = {name: Mock(name) for name in PLAYED}
    yield running
    for mock in running.values():
        mock.stop()


@pytest.fixture(scope="session")
def played(mocks, tmp_path_factory):
    """Before the mocks: `/NAME`, with little patience for a stream that falls silent."""
    quick = 'timeouts = { first_event = "5s", idle = "300ms" }'
    config = "".join(upstream(name, mock.url, name, quick) + route(f"/{name}", name) for name, mock in mocks.items())
    running = Gateway(tmp_path_factory.mktemp("played"), config)
    yield running
    running.stop()


def pytest_configure(config):
    config.addinivalue_line("markers", "after(count): looks at what so many others of its file saw")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Where only a part of a file runs, there is nothing to look at for the test that comes after all others."""
    for item in [item for item in items if item.get_closest_marker("after")]:
        others = sum(other.path == item.path for other in items) - 1
        if others < item.get_closest_marker("after").args[0]:
            items.remove(item)
            config.hook.pytest_deselected(items=[item])


def pytest_terminal_summary(terminalreporter):
    for title, lines in matrix.tables():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
