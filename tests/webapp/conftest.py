"""What the browser tests share: a system behind a breakable network, and pages that may not misbehave.

A module that uses it says `pytestmark = pytest.mark.asyncio(loop_scope="session")`: gates, browser and tests must share
an event loop.
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
from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Page, Request, expect
from psycopg import sql

from api.commands.seed import TierPlan, parse_inventory, seed
from api.database.embedded import EmbeddedServer
from api.schemas import BUILT_IN_EVENT
from tests.conftest import running_browser, running_stacks
from tests.faulty_proxy import FaultyProxy
from tests.stack import ROOT, Stack
from tests.webapp import silent

SCREENSHOTS = ROOT / ".test-artifacts" / "screenshots"
TOOLS = Path(__file__).parent / "tools" / "node_modules"
"""What `make test` installs from the lock beside it: axe-core and Lighthouse."""
BOOKINGS = " /api/bookings"
"""Matches the requests that book, cancel and look up orders; see `FaultyProxy`."""
READS = "GET /api/(events|tickets)"
"""Matches the requests for events, counts and seats."""
PHONE = (390, 844)
DESKTOP = (1280, 800)
# The narrowest screen that WCAG 1.4.10 asks for.
NARROWEST = 320
_SETTLED_WITHIN_S = 30.0
# Nothing is promised to be quick here: what a test waits for comes, or does not come at all.
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
    """The slug of the event that is sold here."""

    @property
    def url(self) -> str:
        return self.stack.web_url

    @property
    def event_url(self) -> str:
        return f"{self.url}/event/{self.event}"

    async def make_event(self, inventory: str | tuple[TierPlan, ...], columns: Mapping[str, object]) -> "Site":
        """Make an event of its own in this running system, and return the system as it is seen from there.

        `columns` are set in its row of `events` before anybody hears of it.
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
        """Book past the web app, as another buyer does; with `ticket_ids` these very seats."""
        seats = {"ticketIds": list(ticket_ids)} if ticket_ids else {}
        body = {"tier": tier, "quantity": quantity, "userId": user_id, **seats}
        async with httpx.AsyncClient(base_url=self.stack.api_url, timeout=30) as http:
            return await http.post("/api/bookings", json=body, params={"event": self.event})

    async def cancel(self, reference: str, user_id: str) -> None:
        """Cancel a booking past the web app."""
        async with httpx.AsyncClient(base_url=self.stack.api_url, timeout=30) as http:
            answer = await http.post(f"/api/bookings/{reference}/cancel", json={"userId": user_id})
            answer.raise_for_status()

    async def until_settled(self, reference: str) -> None:
        """Wait until an order is no longer pending."""
        await self._until(reference, lambda order: order["status"] != "pending")

    async def until(self, reference: str, status: str, *, refund: float | None = None) -> None:
        """Wait until an order has come to a state, and so much goes back (None: nothing)."""
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
        """Wait until something that a user wanted has come to the database."""
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
# A test that uses `make_event` (or one of its brothers) costs an event of its own instead of a start of every
# process. Gates are mended after each test; what stops a process belongs on a system of its own (`start_site`).


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def inline_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system in which payments are decided at once, and all succeed."""
    async with shared_site(request, server) as site:
        yield site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def declining_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system in which payments are decided at once, and all are declined."""
    async with shared_site(request, server, {"PAYMENT_SUCCESS_RATE": "0"}) as site:
        yield site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def async_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system with the simulated payment provider, whose payments all succeed, and the worker."""
    async with shared_site(request, server, {"PAYMENT_MODE": "async"}) as site:
        await site.stack.start_payment_simulator()
        yield site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def silent_site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system whose payments stay open until they are asked about (silent.py); half of them succeed."""
    async with shared_site(request, server, silent.ENVIRONMENT) as site:
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
    """Run a system with a worker for many tests, for a fixture of a wide scope."""
    async with _starting_sites(request, server) as start:
        yield await start(env=env, private_server=private_server, worker=True)


@pytest_asyncio.fixture(loop_scope="session")
async def make_event(inline_site: Site) -> AsyncIterator[MakeEvent]:
    """Make events in the shared system with inline payment; see `MakeEvent`."""
    async with making_events(inline_site) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def make_declining_event(declining_site: Site) -> AsyncIterator[MakeEvent]:
    """Make events for which every payment is declined."""
    async with making_events(declining_site) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def make_async_event(async_site: Site) -> AsyncIterator[MakeEvent]:
    """Make events in the shared system with the payment provider."""
    async with making_events(async_site) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def make_silent_event(silent_site: Site) -> AsyncIterator[MakeEvent]:
    """Make events whose payments stay open until a test has the worker ask about them."""
    async with making_events(silent_site) as make:
        yield make


@contextlib.asynccontextmanager
async def making_events(site: Site) -> AsyncIterator[MakeEvent]:
    """Yield what makes events in a shared system, for one test; the system's gates are mended after it."""

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
    """Browser contexts, each as if it were somebody's own browser.

    One that a test has done with forgets everything but the files of the web app, and keeps a picture of it open, so
    that its process lives on: that halves what the next visit costs.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: defaultdict[str, list[BrowserContext]] = defaultdict(list)
        self._kept: dict[BrowserContext, CDPSession] = {}

    async def come(self, locale: str) -> BrowserContext:
        """Return a visitor who was never here."""
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
            with contextlib.suppress(Error):  # of a server that a test has stopped nothing is kept
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
    """The visitors that tests have in turn."""
    return Visitors(shared_browser)


# --- Pages -----------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="session")
async def visit(visitors: Visitors) -> AsyncIterator[OpenPage]:
    """Open pages that must not write errors to the console, nor ask any other host for anything.

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
        # What moves costs more than all the rest.
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


async def keep_entering(page: Page) -> None:
    """Do what the browser does when its tab is entered, again and again: pages do not ask the API each time."""
    await page.evaluate("setInterval(() => document.dispatchEvent(new Event('visibilitychange')), 500)")


# --- How pages look --------------------------------------------------------------------------------------

_TURN_WITHIN_S = 2.0
"""From a change of the system's colour scheme until the page has followed it."""

# Every rule that is on by default (WCAG 2.0 to 2.1, A and AA, and best practices), and WCAG 2.2's, which is not.
_EVERY_RULE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
_COLOURS_ONLY = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
_AXE_RUN = """async (options) => {
    const { violations } = await axe.run(document, options);
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, html, failureSummary }) => (
        { id, help, target: target.flat().join(" "), html, summary: failureSummary }
    )));
}"""


async def look(page: Page, name: str) -> None:
    """Keep what the page looks like, light, dark and on a phone, and see that everybody can use it so.

    Writes NAME-light.jpg and NAME-dark.jpg (on a desktop) and NAME-phone.jpg. Nothing may stick out sideways, not even
    on the narrowest screen. axe-core must find nothing wrong on the phone, and no bad contrast in the dark either. The
    page is left as it was.

    Raises:
        AssertionError: something sticks out, axe-core found something, or the page did not follow the scheme.
    """
    size = page.viewport_size or {"width": PHONE[0], "height": PHONE[1]}
    dark, still = await page.evaluate(
        """["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)"]
            .map((query) => matchMedia(query).matches)"""
    )
    try:
        # Half faded in, any text has too little contrast.
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
        # Of what is on the page only the colours are others in the dark.
        wrong["dark, desktop"] = await violations(page, _COLOURS_ONLY)
    finally:
        await page.emulate_media(
            color_scheme="dark" if dark else "light", reduced_motion="reduce" if still else "no-preference"
        )
        await page.set_viewport_size(size)
    found = [f"{name} ({where}): {text}" for where, texts in wrong.items() for text in texts]
    assert not found, "axe-core found:\n\n" + "\n\n".join(found)


async def violations(page: Page, options: Mapping[str, object] = _EVERY_RULE) -> list[str]:
    """Return what axe-core finds wrong with the page as it is, a readable text for each place."""
    # Evaluated through the browser's debugger, which the page's content security policy lets pass.
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
    """Do what a change of the system's colour scheme does, and wait until the page has followed."""
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
    """Wait for what the browser has to draw anew."""
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


async def shot(page: Page, name: str) -> None:
    """Keep what the page looks like in NAME.jpg, and see that nothing sticks out sideways."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(
        path=SCREENSHOTS / f"{name}.jpg", type="jpeg", quality=80, full_page=True, animations="disabled"
    )
    await _check_width(page)


async def _check_width(page: Page) -> None:
    """See that nothing sticks out sideways."""
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
