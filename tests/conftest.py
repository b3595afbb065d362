"""Fixtures for all tests: databases, running systems and a browser."""

import contextlib
import itertools
import os
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from playwright.async_api import Browser, Playwright, async_playwright

from api.database.embedded import EmbeddedServer
from tests.packages import debian_installers, find_or_install
from tests.stack import (
    ROOT,
    TEMPLATE,
    Server,
    Stack,
    TcpServer,
    cloned_database,
    embedded_server,
    prepare_template,
    tcp_server,
    temporary_directory,
)

_STACKS = pytest.StashKey[list[list[Stack]]]()

# The first draws no window of its own, and needs less processor time than a browser for people.
BROWSER_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
BROWSER_ARGUMENTS = [
    "--no-sandbox",  # Containers lack the rights for it; the tests open only our pages.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Suppress the browser's own network traffic.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class StartStack(Protocol):
    """Function that starts a system of real processes, which stops after the test."""

    def __call__(
        self,
        *,
        api_workers: int = 1,
        env: Mapping[str, str] | None = None,
        web: bool = False,
        worker: bool = False,
        private_server: bool = False,
        database_server: Server | None = None,
        source: Path = ROOT,
    ) -> Awaitable[Stack]: ...


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """One embedded server for the whole session, with the template database."""
    with embedded_server() as server:
        prepare_template(server)
        yield server


@pytest.fixture(scope="session")
def other_server() -> Iterator[TcpServer]:
    """Another PostgreSQL server, with TCP and a password."""
    with tcp_server() as server:
        prepare_template(server)
        yield server


@pytest.fixture
def database_url(server: EmbeddedServer) -> Iterator[str]:
    """A fresh database, migrated and seeded."""
    with cloned_database(server) as url:
        yield url


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """An autocommit connection to the fresh database."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def start_stack(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[StartStack]:
    """Function that starts a system with a fresh database; see `StartStack`."""
    async with running_stacks(request.node, server) as start:
        yield start


@contextlib.asynccontextmanager
async def running_stacks(node: pytest.Item | pytest.Collector, server: EmbeddedServer) -> AsyncIterator[StartStack]:
    """Yield a function that starts systems; stop all of them at the end."""
    stacks: list[Stack] = []
    node.stash[_STACKS] = [*node.stash.get(_STACKS, []), stacks]

    async def start(
        *,
        api_workers: int = 1,
        env: Mapping[str, str] | None = None,
        web: bool = False,
        worker: bool = False,
        private_server: bool = False,
        database_server: Server | None = None,
        source: Path = ROOT,
    ) -> Stack:
        with contextlib.ExitStack() as resources:
            directory = resources.enter_context(temporary_directory())
            if private_server:
                private = resources.enter_context(embedded_server())
                prepare_template(private)
                url = private.url(TEMPLATE)
            else:
                url = resources.enter_context(cloned_database(database_server or server))
            stack = Stack(url, directory, {"API_WORKERS": str(api_workers), **(env or {})}, source)
            if private_server:
                stack.private_server = private
            stack.keep(resources.pop_all())
        stacks.append(stack)
        await stack.start_api()
        if worker:
            await stack.start_worker()
        if web:
            await stack.start_web()
        return stack

    try:
        yield start
    finally:
        for stack in stacks:
            await stack.stop()
        stacks.clear()  # Their log files are deleted.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the output of a failed test's processes to its report."""
    report = yield
    if report.failed:
        started = [stacks for node in item.listchain() for stacks in node.stash.get(_STACKS, [])]
        report.sections += [("processes", stack.logs()) for stacks in started for stack in stacks]
    return report


@contextlib.asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Run a headless browser; install one if there is none."""
    arguments = [
        *BROWSER_ARGUMENTS,
        "--process-per-site",  # A process that already has the site loads it faster.
        # A page of a test is closed before optimized code saves the time of its compilation, a sixth of the browser's.
        # Compiled code stays in memory for the next page.
        "--js-flags=--max-opt=1 --no-flush-bytecode",
    ]
    if not os.environ.get("PICTURES"):
        # With so little memory the browser draws few pixels. Tests read the layout, which needs none.
        arguments.append("--force-gpu-mem-available-mb=1")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(playwright), args=arguments)
        yield browser
        await browser.close()


def browser_path(playwright: Playwright) -> str:
    """Return the path of a browser; install one if there is none."""
    return find_or_install(
        lambda: _installed_browser(playwright),
        _browser_installers(),
        "No browser: install Chromium (Debian: apt-get install chromium-headless-shell; elsewhere: "
        f"{sys.executable} -m playwright install --with-deps chromium) and run the tests again.",
    )


def _installed_browser(playwright: Playwright) -> str | None:
    own = playwright.chromium.executable_path
    on_path = next(filter(None, map(shutil.which, BROWSER_NAMES)), None)
    return on_path or (own if Path(own).exists() else None)


def _browser_installers() -> list[list[str]]:
    install = [sys.executable, "-m", "playwright", "install"]
    if os.geteuid() != 0:
        return [[*install, "chromium"]]
    packages = ("chromium-headless-shell", "chromium")
    return [*itertools.chain(*map(debian_installers, packages)), [*install, "--with-deps", "chromium"]]


_KINDS = ["unit", "integration", "concurrency", "acceptance", "faults", "webapp"]
"""The kinds of tests, fastest first."""

_SHARED_BY_FEW = {"staff_stack", "async_site", "declining_site", "site_without_webhooks"}
"""Fixtures that start a system for a few tests. One xdist worker runs these tests and starts the system once."""

_SHARED_BY_ALL = {"endpoints"}
"""Packages whose tests share a system. One xdist worker runs these tests."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run fast files first; with several xdist workers run long files first, so that all workers end together."""
    tests = Counter(item.path for item in items)
    need_time = {item.path for item in items if item.get_closest_marker("timeout")}
    need_server = {item.path for item in items if "server" in _fixtures(item)}

    def duration_rank(item: pytest.Item) -> tuple[int, bool, bool, int]:
        kind = max((_KINDS.index(part) for part in item.path.parts if part in _KINDS), default=-1)
        return kind, item.path in need_time, item.path in need_server, tests[item.path]

    items.sort(key=duration_rank, reverse=hasattr(config, "workerinput"))
    for item in items:
        if shared := _SHARED_BY_FEW & _fixtures(item):
            item.add_marker(pytest.mark.xdist_group(min(shared)))
        elif item.path.parent.name in _SHARED_BY_ALL:
            item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))
