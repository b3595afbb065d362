"""Fixtures of the browser tests: a system behind a breakable network, and pages without errors.

A module that uses them sets `pytestmark = pytest.mark.asyncio(loop_scope="session")`: proxies, browser and tests share
one event loop.
"""

import asyncio
import contextlib
import functools
import itertools
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Locator, Page, Request, expect
from psycopg import sql

from api.commands.seed import TierPlan, parse_inventory, seed
from api.database.embedded import EmbeddedServer
from api.schemas import BUILT_IN_EVENT
from tests.conftest import running_browser, running_stacks
from tests.faulty_proxy import FaultyProxy
from tests.stack import ROOT, Stack
from tests.webapp import no_webhooks
from tests.webapp.words import words

SCREENSHOTS = ROOT / ".test-artifacts" / "screenshots"
TOOLS = Path(__file__).parent / "tools" / "node_modules"
"""axe-core and Lighthouse, which `make test` installs from the lock beside this folder."""
BOOKINGS = " /api/bookings"
"""Matches the requests that book, cancel and look up orders; see `FaultyProxy`."""
READS = "GET /api/(events|tickets)"
"""Matches the requests for events, counts and seats."""
PHONE = (390, 844)
DESKTOP = (1280, 800)
# The narrowest screen that WCAG 1.4.10 requires.
NARROWEST = 320
_SETTLED_WITHIN_S = 30.0
# No test measures speed: an expected change comes within this time on any machine.
expect.set_options(timeout=20_000)
_numbers = itertools.count(1)
# The browser's own messages while a test keeps the API out of reach.
_EXPECTED_ERRORS = re.compile(r"Failed to load resource|net::ERR_")


@dataclass
class Site:
    """A running system whose network between browsers and the API a test can break."""

    stack: Stack
    network: FaultyProxy

    event: str = BUILT_IN_EVENT
    """Slug of the event that the tests use."""

    @property
    def url(self) -> str:
        return self.stack.web_url

    @property
    def event_url(self) -> str:
        return f"{self.url}/event/{self.event}"

    async def make_event(self, inventory: str | tuple[TierPlan, ...], columns: Mapping[str, object]) -> "Site":
        """Make an event in this running system, and return the system with that event.

        `columns` are set in its row of `events` before the API reads it.
        """
        plans = parse_inventory(inventory) if isinstance(inventory, str) else inventory
        site = replace(self, event=f"event-{next(_numbers)}")
        await asyncio.to_thread(seed, self.stack.database_url, event=site.event, inventory=plans)
        if columns:
            await site.set_columns(**columns)
        return site

    async def set_columns(self, **columns: object) -> None:
        """Set columns of the event's row."""
        values = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in columns.items()
        )
        async with await psycopg.AsyncConnection.connect(self.stack.database_url) as conn:
            await conn.execute(sql.SQL("update events set {} where slug = {}").format(values, sql.Literal(self.event)))

    async def start_web(self) -> None:
        """Start the web server, whose pages reach the API through the breakable network."""
        api_environment = self.stack.environment
        address = {"PUBLIC_API_URL": f"http://localhost:{self.network.port}", "MAX_TICKETS_PER_BOOKING": "10"}
        self.stack.environment = {**api_environment, **address}
        await self.stack.start_web()
        self.stack.environment = api_environment

    async def sell(
        self, tier: str, quantity: int, user_id: str = "somebody-else", *, ticket_ids: Sequence[int] = ()
    ) -> httpx.Response:
        """Book through the API, as another buyer; with `ticket_ids` these seats."""
        seats = {"ticketIds": list(ticket_ids)} if ticket_ids else {}
        body = {"tier": tier, "quantity": quantity, "userId": user_id, **seats}
        async with httpx.AsyncClient(base_url=self.stack.api_url, timeout=30) as http:
            return await http.post("/api/bookings", json=body, params={"event": self.event})

    async def cancel(self, reference: str, user_id: str) -> None:
        """Cancel an order through the API."""
        async with httpx.AsyncClient(base_url=self.stack.api_url, timeout=30) as http:
            response = await http.post(f"/api/bookings/{reference}/cancel", json={"userId": user_id})
            response.raise_for_status()

    async def until_settled(self, reference: str) -> None:
        """Wait until an order is no longer pending."""
        await self._until(reference, lambda order: order["status"] != "pending")

    async def until(self, reference: str, status: str, *, refund: float | None = None) -> None:
        """Wait until an order has a status and a refund (None: no refund)."""
        await self._until(reference, lambda order: (order["status"], order.get("refund")) == (status, refund))

    async def _until(self, reference: str, come: Callable[[dict[str, Any]], bool]) -> None:
        async with httpx.AsyncClient(base_url=self.stack.api_url, timeout=30) as http:
            deadline = time.monotonic() + _SETTLED_WITHIN_S
            while not come(order := (await http.get(f"/api/bookings/{reference}")).json()):
                assert time.monotonic() < deadline, f"{reference} is still {order}"
                await asyncio.sleep(0.1)

    async def orders(self, user_id: str) -> list[tuple[str, str]]:
        """Return a user's orders, as reference and status, from the database."""
        async with await psycopg.AsyncConnection.connect(self.stack.database_url) as conn:
            cursor = await conn.execute("select reference, status from orders where user_id = %s", (user_id,))
            return await cursor.fetchall()

    async def until_ordered(self, user_id: str) -> None:
        """Wait until the database has an order of a user."""
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        while not await self.orders(user_id):
            assert time.monotonic() < deadline, f"nothing of {user_id}'s came"
            await asyncio.sleep(0.1)


StartSite = Callable[..., Awaitable[Site]]
OpenPage = Callable[..., Awaitable[Page]]
MakeEvent = Callable[..., Awaitable[Site]]
"""`await make_event("VIP=10,GA=50", starts_at=…)`: an event with this inventory, and columns of its row."""


@pytest_asyncio.fixture(loop_scope="session")
async def start_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[StartSite]:
    """Start a system for one test; every payment succeeds unless `env` says otherwise."""
    async with _starting_sites(request, server) as start:
        yield start


@contextlib.asynccontextmanager
async def _starting_sites(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[StartSite]:
    async with running_stacks(request.node, server) as start_stack, contextlib.AsyncExitStack() as networks:

        async def start(
            *, env: Mapping[str, str] | None = None, private_server: bool = False, worker: bool = False
        ) -> Site:
            settings = {"PAYMENT_SUCCESS_RATE": "1", "MAX_TICKETS_PER_BOOKING": "1000"}
            stack = await start_stack(env={**settings, **(env or {})}, private_server=private_server, worker=worker)
            network = await networks.enter_async_context(FaultyProxy(stack.api_port))
            site = Site(stack, network)
            await site.start_web()
            return site

        yield start


# --- One system for all tests -------------------------------------------------------------------------
#
# A test that uses `make_event` (or a similar fixture) costs an event instead of a start of every process. The network
# is repaired after each test. A test that stops a process needs its own system (`start_site`).


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def inline_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system with inline payments, which all succeed."""
    async with shared_site(request, server) as site:
        yield site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def declining_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system with inline payments, which are all declined."""
    async with shared_site(request, server, {"PAYMENT_SUCCESS_RATE": "0"}) as site:
        yield site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def async_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system with asynchronous payments, which all succeed, and the worker."""
    async with shared_site(request, server, {"PAYMENT_MODE": "async"}) as site:
        await site.stack.start_payment_simulator()
        yield site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site_without_webhooks(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system whose payments stay open until the worker polls the provider; half of them succeed."""
    async with shared_site(request, server, no_webhooks.ENVIRONMENT) as site:
        await site.stack.start_payment_simulator()
        yield site


@contextlib.asynccontextmanager
async def shared_site(
    request: pytest.FixtureRequest,
    server: EmbeddedServer,
    env: Mapping[str, str] | None = None,
    *,
    private_server: bool = False,
) -> AsyncIterator[Site]:
    """Run a system with a worker for many tests."""
    async with _starting_sites(request, server) as start:
        yield await start(env=env, private_server=private_server, worker=True)


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


@contextlib.asynccontextmanager
async def making_events(site: Site) -> AsyncIterator[MakeEvent]:
    """Yield a function that makes events in a shared system. Repair the system's network afterwards."""

    async def make(inventory: str | tuple[TierPlan, ...], /, **columns: object) -> Site:
        return await site.make_event(inventory, columns)

    try:
        yield make
    finally:
        site.network.mend()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_browser() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with running_browser() as browser:
        yield browser


class Visitors:
    """Browser contexts, each of which acts as one visitor's browser.

    A visitor whose test has ended forgets everything except the web app's files. A page with one of its pictures keeps
    the visitor's process alive, which halves the cost of the next visit.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: defaultdict[str, list[BrowserContext]] = defaultdict(list)
        self._kept: dict[BrowserContext, CDPSession] = {}

    async def come(self, locale: str) -> BrowserContext:
        """Return a new visitor."""
        if self._idle[locale]:
            return self._idle[locale].pop()
        context = await self._browser.new_context(locale=locale)
        self._kept[context] = await context.new_cdp_session(await context.new_page())
        return context

    async def go(self, context: BrowserContext, locale: str) -> None:
        """Close a visitor's pages, and forget them."""
        origins = {page.url.split("/", 3)[2] for page in context.pages if page.url.startswith("http")}
        kept, *others = context.pages
        if kept.url == "about:blank" and origins:
            with contextlib.suppress(Error):  # a test may have stopped the server
                await kept.goto(f"http://{next(iter(origins))}/favicon.svg")
        for page in others:
            await page.close()
        await context.clear_permissions()
        await context.clear_cookies()
        for origin in origins:
            what = {"origin": f"http://{origin}", "storageTypes": "local_storage"}
            await self._kept[context].send("Storage.clearDataForOrigin", what)
        self._idle[locale].append(context)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def visitors(shared_browser: Browser) -> Visitors:
    """The visitors, which tests use in turn."""
    return Visitors(shared_browser)


# --- Pages -----------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="session")
async def visit(visitors: Visitors) -> AsyncIterator[OpenPage]:
    """Open pages that must neither write errors to the console nor send requests to other hosts.

    Each is another visitor's, unless it is opened in the `context` of one that there is.
    """
    here: list[tuple[BrowserContext, str]] = []
    complaints: list[str] = []

    def check_request(request: Request) -> None:
        if urlsplit(request.url).hostname not in {"localhost", "127.0.0.1", None}:
            complaints.append(f"request to {request.url}")

    async def open_(
        address: str,
        *,
        size: tuple[int, int] = PHONE,
        dark: bool = False,
        locale: str = "en-US",
        context: BrowserContext | None = None,
    ) -> Page:
        if context is None:
            context = await visitors.come(locale)
            here.append((context, locale))
        page = await context.new_page()
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        # Animations cost more time than everything else.
        await page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        page.on("request", check_request)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"console: {message.text}")
                if message.type in {"error", "warning"} and not _EXPECTED_ERRORS.search(message.text)
                else None
            ),
        )
        await page.goto(address)
        return page

    try:
        yield open_
    finally:
        for context, locale in here:
            await visitors.go(context, locale)
    assert complaints == []


async def open_event(site: Site, visit: OpenPage, user_id: str | None = None, *, size: tuple[int, int] = PHONE) -> Page:
    """Open an event's page, fill in the buyer's name if there is one, and wait for live counts."""
    page = await visit(site.event_url, size=size)
    if user_id is not None:
        await page.get_by_label(words("user.label")).fill(user_id)
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    return page


def tickets_left(page: Page, tier: str) -> Locator:
    """Return a tier's exact count on an event's page, which buyers open on demand."""
    return page.locator(f".counts li[data-tier='{tier}']")


async def keep_entering(page: Page) -> None:
    """Dispatch the event of a selected tab repeatedly: a page does not poll after each of them."""
    await page.evaluate("setInterval(() => document.dispatchEvent(new Event('visibilitychange')), 500)")


# --- Appearance and accessibility ------------------------------------------------------------------------

_TURN_WITHIN_S = 2.0
"""Time for a page to follow the system's colour scheme."""

# All rules that are on by default (WCAG 2.0 to 2.1, A and AA, and best practices), and those of WCAG 2.2.
_EVERY_RULE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
_COLOURS_ONLY = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
_AXE_RUN = """async (options) => {
    const { violations } = await axe.run(document, options);
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, html, failureSummary }) => (
        { id, help, target: target.flat().join(" "), html, summary: failureSummary }
    )));
}"""


async def check_page(page: Page, name: str) -> None:
    """Store pictures of the page in light, in dark and on a phone, and check its accessibility.

    Writes NAME-light.jpg and NAME-dark.jpg (on a desktop) and NAME-phone.jpg. The page may not scroll sideways, on the
    narrowest screen either. axe-core may find no violation on the phone, and no bad contrast in the dark. Afterwards
    the page has its former size and scheme.

    Raises:
        AssertionError: the page scrolls sideways, has a violation or does not follow the scheme.
    """
    size = page.viewport_size or {"width": PHONE[0], "height": PHONE[1]}
    dark, still = await page.evaluate(
        """["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)"]
            .map((query) => matchMedia(query).matches)"""
    )
    try:
        # During an animation any text has too little contrast.
        await page.emulate_media(reduced_motion="reduce")
        if dark:
            await _turn(page, "light")
        await _resize(page, *PHONE)
        await shot(page, f"{name}-phone")
        wrong = {"light, phone": await violations(page)}
        await _resize(page, NARROWEST, PHONE[1])
        await _check_width(page)
        await _resize(page, *DESKTOP)
        await shot(page, f"{name}-light")
        await _turn(page, "dark")
        await shot(page, f"{name}-dark")
        # Only the colours differ in the dark.
        wrong["dark, desktop"] = await violations(page, _COLOURS_ONLY)
    finally:
        await page.emulate_media(
            color_scheme="dark" if dark else "light", reduced_motion="reduce" if still else "no-preference"
        )
        await page.set_viewport_size(size)
    found = [f"{name} ({where}): {text}" for where, texts in wrong.items() for text in texts]
    assert not found, "axe-core found:\n\n" + "\n\n".join(found)


async def violations(page: Page, options: Mapping[str, object] = _EVERY_RULE) -> list[str]:
    """Return the violations that axe-core finds on the page, as readable texts."""
    # The page's content security policy does not apply to the browser's debugger.
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_axe())
    found: list[dict[str, Any]] = await page.evaluate(_AXE_RUN, options)
    return [
        f"{each['id']}: {each['help']}\n  at {each['target']}\n  {each['html']}\n"
        f"  {each['summary'].replace(chr(10), chr(10) + '  ')}"
        for each in found
    ]


@functools.cache
def _axe() -> str:
    path = TOOLS / "axe-core" / "axe.min.js"
    assert path.is_file(), f"{path} is missing: `make test` installs it (make {TOOLS.relative_to(ROOT)}/.installed)"
    return f"{path.read_text(encoding='utf-8')};undefined"


async def _turn(page: Page, scheme: Literal["light", "dark"]) -> None:
    """Change the system's colour scheme, and wait until the page has followed."""
    await page.emulate_media(color_scheme=scheme)
    deadline = time.monotonic() + _TURN_WITHIN_S
    while scheme not in await page.evaluate("getComputedStyle(document.documentElement).colorScheme"):
        assert time.monotonic() < deadline, f"the page did not turn {scheme}"
        await asyncio.sleep(0.02)
    await _settle(page)


async def _resize(page: Page, width: int, height: int) -> None:
    await page.set_viewport_size({"width": width, "height": height})
    await _settle(page)


async def _settle(page: Page) -> None:
    """Wait until the browser has drawn the page."""
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


async def shot(page: Page, name: str) -> None:
    """Store a picture of the page in NAME.jpg, and check that it does not scroll sideways."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(
        path=SCREENSHOTS / f"{name}.jpg", type="jpeg", quality=80, full_page=True, animations="disabled"
    )
    await _check_width(page)


async def _check_width(page: Page) -> None:
    """Check that the page does not scroll sideways."""
    width, inner, out = await page.evaluate(
        """() => {
            const inner = window.innerWidth;
            const out = [...document.body.querySelectorAll("*")]
                .filter((element) => element.getBoundingClientRect().right > inner + 1)
                .slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
            return [document.documentElement.scrollWidth, inner, out];
        }"""
    )
    assert width <= inner, f"at {inner} px the page is {width} px wide; what sticks out: {out}"
