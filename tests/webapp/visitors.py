"""Visitors of the web app, and the steps that many tests share."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Locator, Page, Request, expect

from tests.webapp.site import Site
from tests.webapp.words import words

PHONE = (390, 844)
DESKTOP = (1280, 800)
OpenPage = Callable[..., Awaitable[Page]]

SOON_S = 40.0
"""No test measures speed: an expected change comes within this time on any machine."""

STALE_AFTER_MS = 11_000
"""Counts of this age are marked as old."""

# Steps of a clock that runs ahead, on this process's clock and on the page's.
_STEP_EVERY_S = 0.05
_STEP_MS = 1_000


@dataclass(frozen=True)
class Kind:
    """A kind of visitor.

    Only a visitor with a clock of its own may use `page.clock`. A visitor with service workers is not used again, so
    that the worker of an earlier test handles no requests.
    """

    locale: str = "en-US"
    own_clock: bool = False
    service_workers: bool = False


class Visitors:
    """Browser contexts. Each acts as the browser of one visitor, on a phone and without animations.

    After a test its visitors lose all stored data except the web app's files. One open page with a picture keeps the
    browser's process alive, which halves the cost of the next visit. Playwright cannot remove its clock from a context,
    so contexts with such a clock are kept apart.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: defaultdict[Kind, list[BrowserContext]] = defaultdict(list)
        self._kept: dict[BrowserContext, CDPSession] = {}

    async def take(self, kind: Kind) -> BrowserContext:
        """Return the context of a visitor without stored data. Its clock shows the present time."""
        if self._idle[kind]:
            context = self._idle[kind].pop()
        else:
            context = await self._browser.new_context(
                locale=kind.locale,
                viewport={"width": PHONE[0], "height": PHONE[1]},
                reduced_motion="reduce",  # Animations would take most of the time of a test.
                service_workers="allow" if kind.service_workers else "block",
            )
            context.set_default_timeout(1000 * SOON_S)
            self._kept[context] = await context.new_cdp_session(await context.new_page())
        if kind.own_clock:
            await context.clock.install()
        return context

    @contextlib.asynccontextmanager
    async def visitor(self, kind: Kind = Kind()) -> AsyncIterator[BrowserContext]:
        """Take a visitor and release it at the end."""
        context = await self.take(kind)
        try:
            yield context
        finally:
            await self.release(context, kind)

    async def release(self, context: BrowserContext, kind: Kind) -> None:
        """Close a visitor's pages, and delete the stored data.

        Raises:
            AssertionError: the test has used the clock of a visitor without a clock of its own.
        """
        if kind.service_workers:
            del self._kept[context]
            await context.close()
            return
        origins = {page.url.split("/", 3)[2] for page in context.pages if page.url.startswith("http")}
        kept, *others = context.pages
        assert await kept.evaluate("Date.isFake === true") == kind.own_clock, "open this page with `own_clock=True`"
        await context.set_offline(offline=False)
        if kept.url == "about:blank" and origins:
            with contextlib.suppress(Error):  # a test may have stopped the server
                await kept.goto(f"http://{next(iter(origins))}/favicon.svg")
        for page in others:
            await page.close()
        await context.clear_permissions()
        await context.clear_cookies()
        for origin in origins:
            scope = {"origin": f"http://{origin}", "storageTypes": "local_storage"}
            await self._kept[context].send("Storage.clearDataForOrigin", scope)
        self._idle[kind].append(context)


async def open_event(
    site: Site,
    visit: OpenPage,
    user_id: str | None = None,
    *,
    size: tuple[int, int] = PHONE,
    own_clock: bool = False,
) -> Page:
    """Open an event's page, fill in a name if there is one, wait for live counts, and choose the first tier."""
    page = await visit(site.event_url, size=size, own_clock=own_clock)
    if user_id is not None:
        await page.get_by_label(words("user.label")).fill(user_id)
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    await choose(page)
    return page


def tier_card(page: Page, tier: str | None = None) -> Locator:
    """Return the card of a tier, or the first one."""
    card = page.locator(".tier:not(.skeleton)")
    return card.first if tier is None else card.and_(page.locator(f"[data-tier='{tier}']"))


async def choose(page: Page, tier: str | None = None) -> None:
    """Make a tier (the first one by default) the only one in the basket, with one ticket if it had none.

    A tier that has no tickets left has no stepper, and stays as it is.
    """
    card = tier_card(page, tier)
    more = card.locator(".stepper button").last
    if await card.get_attribute("data-wanted") == "false" and await more.count() > 0 and await more.is_enabled():
        await more.click()
    if await card.get_attribute("data-wanted") == "true":
        name = await card.get_attribute("data-tier")
        others = page.locator(f".tier[data-wanted='true']:not([data-tier='{name}']) .stepper button:first-child")
        while await others.count() > 0:
            await others.first.click()


async def add(page: Page, times: int = 1, tier: str | None = None) -> None:
    """Add tickets of a tier, or of the first tier that has tickets in the basket."""
    card = page.locator(".tier[data-wanted='true']").first if tier is None else tier_card(page, tier)
    for _ in range(times):
        await card.locator(".stepper button").last.click()


async def remove(page: Page, tier: str) -> None:
    """Remove a ticket of a tier."""
    await tier_card(page, tier).locator(".stepper button").first.click()


def tickets_left(page: Page, tier: str) -> Locator:
    """Return the place of a tier's exact count, which an event's page shows on demand."""
    return page.locator(f".counts li[data-tier='{tier}']")


@contextlib.asynccontextmanager
async def hastened(page: Page) -> AsyncIterator[None]:
    """Let a page's own clock run ahead whenever the page awaits no response.

    Pauses between requests then take no time, while each request has its full time limit.
    """
    awaited: set[Request] = set()

    def begin(request: Request) -> None:
        awaited.add(request)

    def end(request: Request) -> None:
        awaited.discard(request)

    async def run_ahead() -> None:
        while True:
            if not awaited:
                # The page may be closed or be opening another address.
                with contextlib.suppress(Error):
                    await page.clock.fast_forward(_STEP_MS)
            await asyncio.sleep(_STEP_EVERY_S)

    listeners = (("request", begin), ("requestfinished", end), ("requestfailed", end))
    for event, listener in listeners:
        page.on(event, listener)  # type: ignore[call-overload]
    running = asyncio.create_task(run_ahead())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        for event, listener in listeners:
            page.remove_listener(event, listener)


async def requests_within(page: Page, part: str, milliseconds: int) -> list[str]:
    """Let a page's own clock run, and return the addresses with this part that the page requests meanwhile."""
    addresses: list[str] = []

    def note(request: Request) -> None:
        addresses.append(request.url)

    page.on("request", note)
    try:
        await page.clock.run_for(milliseconds)
        # The events of earlier requests have arrived when that of the marker arrives.
        async with page.expect_request("**/favicon.svg?marker", timeout=1000 * SOON_S):
            await page.evaluate("void fetch('/favicon.svg?marker')")
    finally:
        page.remove_listener("request", note)
    return [address for address in addresses if part in address]


async def expect_polling(page: Page, part: str, milliseconds: int) -> None:
    """Let a page's own clock run in steps until the page requests an address with this part."""
    async with asyncio.timeout(SOON_S):
        while not await requests_within(page, part, milliseconds):
            pass


async def load_all_scripts(page: Page) -> None:
    """Wait until a page has loaded the scripts of all pages."""
    for name in ("event", "booking", "bookings"):
        await expect(page.locator(f"link[rel=modulepreload][href*=_{name}_]").first).to_be_attached()
    await page.evaluate(
        """async () => {
            for (const { href } of document.querySelectorAll("link[rel=modulepreload]")) await import(href);
        }"""
    )


async def return_to_present(page: Page) -> None:
    """Set the page's own clock, which ran ahead, to the present time. It then agrees with the server's clock again."""
    await page.clock.set_system_time(datetime.now(UTC))


async def keep_entering(page: Page) -> None:
    """Dispatch the event of a selected tab repeatedly, because a page does not poll after each of them."""
    await page.evaluate("setInterval(() => document.dispatchEvent(new Event('visibilitychange')), 500)")


async def draw_map(page: Page) -> None:
    """Draw the map, which waits until it is near the viewport, and return to the top."""
    await page.locator(".plan").scroll_into_view_if_needed()
    await expect(page.locator(".house .seat").first).to_be_visible()
    await page.evaluate("scrollTo(0, 0)")
