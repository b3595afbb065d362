"""Fixtures of the browser tests: a system behind a breakable network, and pages without errors.

A module that uses them sets `pytestmark = pytest.mark.asyncio(loop_scope="session")`: proxies, browser and tests share
one event loop.

Tests share running systems. A test that uses `make_event` (or a similar fixture) costs an event instead of a start of
every process. The network is repaired after each test. A test that stops a process needs its own system (`start_site`).

Shared systems and the browser stop after the last test of this package. Idle systems also need processor time, because
the API and the worker poll.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Request, expect

from api.database.embedded import EmbeddedServer
from tests.conftest import running_browser
from tests.stack import Stack
from tests.webapp import no_webhooks
from tests.webapp.site import MakeEvent, Site, StartSite, making_events, shared_site, starting_sites
from tests.webapp.visitors import PHONE, SOON_S, Kind, OpenPage, Visitors

expect.set_options(timeout=1000 * SOON_S)
# The browser's own messages while a test keeps the API out of reach.
_EXPECTED_ERRORS = re.compile(r"Failed to load resource|net::ERR_|registration blocked by Playwright")


@pytest_asyncio.fixture(loop_scope="session")
async def start_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[StartSite]:
    """Start a system for one test; every payment succeeds unless `env` says otherwise."""
    async with starting_sites(request, server) as start:
        yield start


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def inline_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system with inline payments, which all succeed."""
    async with shared_site(request, server) as site:
        yield site


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def declining_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system with inline payments, which are all declined."""
    async with shared_site(request, server, {"PAYMENT_SUCCESS_RATE": "0"}) as site:
        yield site


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def async_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system with asynchronous payments, which all succeed, and the worker."""
    async with shared_site(request, server, {"PAYMENT_MODE": "async"}, worker=True) as site:
        await site.stack.start_payment_simulator()
        yield site


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def site_without_webhooks(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system whose payments stay open until the worker polls the provider; half of them succeed."""
    async with shared_site(request, server, no_webhooks.ENVIRONMENT, worker=True) as site:
        await site.stack.start_payment_simulator()
        yield site


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def staff_stack(inline_site: Site) -> Stack:
    """The system with inline payments, with the server of the staff pages."""
    await inline_site.stack.start_staff_pages()
    return inline_site.stack


@pytest_asyncio.fixture(loop_scope="session")
async def make_event(inline_site: Site) -> AsyncIterator[MakeEvent]:
    """Make events in the shared system with inline payment; see `MakeEvent`."""
    async with making_events(inline_site) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def make_declining_event(declining_site: Site) -> AsyncIterator[MakeEvent]:
    """Make events whose payments are all declined."""
    async with making_events(declining_site) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def make_async_event(async_site: Site) -> AsyncIterator[MakeEvent]:
    """Make events in the shared system with asynchronous payment."""
    async with making_events(async_site) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def make_event_without_webhooks(site_without_webhooks: Site) -> AsyncIterator[MakeEvent]:
    """Make events whose payments stay open until `no_webhooks.poll_provider`."""
    async with making_events(site_without_webhooks) as make:
        yield make


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shared_browser() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def visitors(shared_browser: Browser) -> Visitors:
    """The visitors, which tests use in turn."""
    return Visitors(shared_browser)


@pytest_asyncio.fixture(loop_scope="session")
async def visit(visitors: Visitors) -> AsyncIterator[OpenPage]:
    """Open pages that must neither write errors to the console nor send requests to other hosts.

    Each page belongs to a new visitor, unless the test passes the `context` of an earlier one. With `own_clock` the
    test may use `page.clock`, which first shows the present time. Pages register no service worker without
    `service_workers`.
    """
    problems: list[str] = []

    def check_problems() -> None:
        assert problems == []

    def check_request(request: Request) -> None:
        if urlsplit(request.url).hostname not in {"localhost", "127.0.0.1", None}:
            problems.append(f"request to {request.url}")

    async def open_(
        address: str,
        *,
        size: tuple[int, int] = PHONE,
        dark: bool = False,
        locale: str = "en-US",
        own_clock: bool = False,
        service_workers: bool = False,
        context: BrowserContext | None = None,
    ) -> Page:
        if context is None:
            kind = Kind(locale, own_clock, service_workers)
            context = await visitors.take(kind)
            taken.push_async_callback(visitors.release, context, kind)
        page = await context.new_page()
        if size != PHONE:
            await page.set_viewport_size({"width": size[0], "height": size[1]})
        if dark:
            await page.emulate_media(color_scheme="dark")
        page.on("request", check_request)
        page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
        page.on(
            "console",
            lambda message: (
                problems.append(f"console: {message.text}")
                if message.type in {"error", "warning"} and not _EXPECTED_ERRORS.search(message.text)
                else None
            ),
        )
        await page.goto(address)
        return page

    # One fault prevents neither the release of other visitors nor the check.
    async with contextlib.AsyncExitStack() as taken:
        taken.callback(check_problems)
        yield open_
