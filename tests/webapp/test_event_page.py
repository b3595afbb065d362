"""The states of an event's page before and during the sale, with a real system."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.webapp import no_webhooks
from tests.webapp.appearance import check_page
from tests.webapp.site import READS, MakeEvent, Site
from tests.webapp.visitors import DESKTOP, PHONE, OpenPage, keep_entering, open_event, tickets_left
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
HOUSE = "VIP=20,Front Row=40,GA=100"
STALE_AFTER_MS = 20_000
SOON_S = 20.0


async def _draw_map(page: Page) -> None:
    """Draw the map, which waits until it is near the viewport, and return to the top."""
    await page.locator(".plan").scroll_into_view_if_needed()
    await expect(page.locator(".house .seat").first).to_be_visible()
    await page.evaluate("scrollTo(0, 0)")


async def test_the_first_page_lists_what_is_on_sale_and_what_will_be(make_event: MakeEvent, visit: OpenPage) -> None:
    now = datetime.now(UTC)
    soon = await make_event("GA=5", name="Later Tonight", starts_at=now + timedelta(days=1))
    await make_event("GA=5", name="Next Spring", sales_start_at=now + timedelta(days=2))
    # Its sale starts in another year, so the list shows the longest date.
    next_year = now + timedelta(days=400)
    await make_event("GA=5", name="Next Year", sales_start_at=next_year, starts_at=next_year + timedelta(days=90))
    gone = await make_event("GA=5", name="Gone", starts_at=now + timedelta(days=3))
    await make_event("GA=5", name="Called Off", created_at=now - timedelta(days=1), cancelled_at=now)
    await gone.sell("GA", 5)
    page = await visit(soon.url)
    cards = {name: page.locator(".concert", has_text=name) for name in ("Later Tonight", "Next Spring", "Gone")}
    await expect(cards["Later Tonight"]).to_contain_text(words("state.on_sale"))
    await expect(cards["Later Tonight"]).to_contain_text(words("home.from", price="$10"))
    await expect(cards["Later Tonight"]).to_contain_text("Harbour Hall")
    await expect(cards["Later Tonight"].locator("time")).to_contain_text(str((now + timedelta(days=1)).year))
    await expect(cards["Next Spring"]).to_contain_text(pattern("state.upcoming", date=".+", time=r"\d+:\d\d"))
    await expect(cards["Gone"]).to_contain_text(words("tier.sold_out"))
    await expect(page.locator(".concert", has_text="Called Off")).to_contain_text(words("state.cancelled"))
    await check_page(page, "home")
    soon.network.lose_responses(READS)
    await expect(page.get_by_text(words("away.stale"))).to_be_visible()
    await expect(cards["Later Tonight"]).to_be_visible()
    await check_page(page, "home-stale")
    soon.network.mend()
    await cards["Later Tonight"].get_by_role("link").click()
    await page.wait_for_url(soon.event_url)
    await expect(page).to_have_title(
        pattern("event.title", event="Later Tonight", date=r"\w+ \d+, \d{4}", venue="Harbour Hall")
    )


async def test_unknown_counts_are_shown_as_unknown_and_the_page_does_not_jump(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    site.network.hold(READS)
    page = await visit(site.event_url, size=DESKTOP)
    await expect(page.locator(".freshness")).to_have_text(words("counts.loading"))
    await expect(page.locator(".skeleton")).to_have_count(3)
    await expect(page.locator(SUBMIT)).to_be_disabled()
    assert not pattern("tier.left", left=r"\d+", total=r"\d+").search(await page.text_content("main") or "")
    places = (page.locator(SUBMIT), page.locator(".tiers"), page.get_by_label(words("user.label")))
    before = [await place.bounding_box() for place in places]
    await check_page(page, "event-loading")
    site.network.release()
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    assert [await place.bounding_box() for place in places] == before


# Sums up all that has moved by itself since the page was begun, as the browser measures it.
_WATCH_SHIFTS = """
    globalThis.shifted = 0;
    new PerformanceObserver((list) => {
        for (const each of list.getEntries()) if (!each.hadRecentInput) globalThis.shifted += each.value;
    }).observe({ type: "layout-shift", buffered: true });
"""
SHIFT_MAX = 0.05
"""Half of the limit for a good layout shift. The typeface, which loads after the text, takes 0.03 on a desktop."""


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
@pytest.mark.parametrize(
    ("path", "loading", "loaded"), [("", ".bone-concert", ".concert"), ("/event/{}", ".skeleton", ".plan")]
)
async def test_nothing_jumps_when_slow_responses_arrive(
    path: str, loading: str, loaded: str, size: tuple[int, int], make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await visit("about:blank", size=size)
    await page.add_init_script(_WATCH_SHIFTS)
    site.network.hold(READS)
    await page.goto(site.url + path.format(site.event))
    await expect(page.locator(loading)).to_have_count(3)
    if not path and size == PHONE:
        await check_page(page, "home-loading")
        await page.evaluate("globalThis.shifted = 0")
    site.network.release()
    await expect(page.locator(loaded).first).to_be_visible()
    await expect(page.locator(loading)).to_have_count(0)
    assert await page.evaluate("shifted") <= SHIFT_MAX


async def test_counts_follow_other_buyers_and_rest_while_the_tab_is_hidden(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if "/availability" in request.url else None)
    await _draw_map(page)
    await check_page(page, "event-live")
    await site.sell("VIP", 18)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.left", left=2, total=20))
    await expect(vip).to_contain_text(words("tier.low"))
    # The stepper follows the available tickets without the server.
    await page.get_by_role("button", name=words("quantity.more")).click()
    await expect(page.get_by_role("button", name=words("quantity.more"))).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$200"))
    await check_page(page, "event-few-left")

    await _set_hidden(page, hidden=True)
    polls.clear()
    await page.wait_for_timeout(4_000)
    assert polls == []
    await site.sell("VIP", 1)
    await _set_hidden(page, hidden=False)
    await expect(vip).to_contain_text(words("tier.left", left=1, total=20))
    # Screen readers announce it, but not every two seconds.
    await expect(
        page.locator("[aria-live=polite]", has_text=words("counts.announce_left", tier="VIP", left=1))
    ).to_have_count(1)


async def test_exact_counts_open_on_demand_and_show_by_themselves_once_few_are_left(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.available"))
    await expect(vip).not_to_contain_text(words("tier.left", left=20, total=20))
    await expect(tickets_left(page, "VIP")).to_be_hidden()
    toggle = page.get_by_text(words("counts.left"), exact=True)
    await toggle.click()
    await expect(tickets_left(page, "VIP")).to_be_visible()
    await check_page(page, "event-counts")
    await toggle.press("Enter")
    await expect(tickets_left(page, "VIP")).to_be_hidden()
    await expect(page.get_by_text(words("quantity.limit", most=10))).to_be_visible()
    await site.sell("VIP", 18)
    await expect(vip).to_contain_text(words("tier.left", left=2, total=20))
    # A limit of ten is no longer the reason.
    await expect(page.get_by_text(words("checkout.fewer_left.title", left=2))).to_be_visible()


async def _set_hidden(page: Page, *, hidden: bool) -> None:
    """Change the tab's visibility as a browser does; a headless window never changes it."""
    await page.evaluate(
        """(hidden) => {
            const state = hidden ? "hidden" : "visible";
            Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


async def test_old_counts_are_named_old_and_come_back_by_themselves(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    await page.get_by_role("button", name=words("quantity.more")).click()
    site.network.freeze()
    await expect(page.locator(".freshness")).to_have_text(pattern("counts.stale", age=r"\d+"), timeout=STALE_AFTER_MS)
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))
    names = (words("quantity.more"), words("quantity.fewer"), words("seats.best"), pattern("book.button", total=".+"))
    buttons = [page.get_by_role("button", name=name) for name in names]
    for button in buttons:
        await expect(button).to_be_disabled()
    await check_page(page, "event-stale")
    site.network.mend()
    site.network.cut()
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"), timeout=STALE_AFTER_MS)
    for button in buttons:
        await expect(button).to_be_enabled()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$200"))


async def test_an_offline_browser_shows_the_age_of_its_counts_and_recovers_by_itself(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    await page.context.set_offline(True)
    try:
        await site.sell("VIP", 3)
        await expect(page.locator(".freshness")).to_have_text(
            pattern("counts.stale", age=r"\d+"), timeout=STALE_AFTER_MS
        )
        await expect(page.locator(".summary")).to_contain_text(words("counts.unreachable"))
        await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))
        await expect(page.locator(SUBMIT)).to_be_disabled()
    finally:
        await page.context.set_offline(False)
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=17, total=20))
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_a_browser_that_only_believes_itself_offline_counts_on(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    await page.evaluate(
        """() => {
            Object.defineProperty(navigator, "onLine", { value: false });
            dispatchEvent(new Event("offline"));
        }"""
    )
    await site.sell("VIP", 3)
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=17, total=20))
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))


async def test_counts_that_did_not_change_are_not_sent_again_and_stay_live(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    # The network's statuses: for a cached body the page itself sees 200 instead of 304.
    network = await page.context.new_cdp_session(page)
    polls: set[str] = set()
    responses: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    def note_request(event: dict[str, Any]) -> None:
        if "/api/tickets/availability" in event["request"]["url"]:
            polls.add(event["requestId"])

    def note_response(event: dict[str, Any]) -> None:
        if event["requestId"] in polls:
            headers = {name.lower(): value for name, value in event["headers"].items()}
            responses.put_nowait((event["statusCode"], headers["x-as-of"]))

    network.on("Network.requestWillBeSent", note_request)
    network.on("Network.responseReceivedExtraInfo", note_response)
    await network.send("Network.enable")
    async with asyncio.timeout(SOON_S):
        unchanged = [await responses.get() for _ in range(2)]
    assert [status for status, _ in unchanged] == [304, 304]
    # Each response states its time, so that the counts do not age.
    assert len({as_of for _, as_of in unchanged}) == 2
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))


async def test_a_tier_and_then_everything_sells_out(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    await site.sell("VIP", 20)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.sold_out"))
    await expect(vip.get_by_role("radio")).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_count(0)
    # The next best tier is one click away.
    await check_page(page, "tier-sold-out")
    await page.get_by_role("button", name=words("summary.next_best", tier="Front Row", price="$50")).click()
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await site.sell("Front Row", 40)
    await site.sell("GA", 100)
    await expect(page.get_by_text(words("sale.sold_out.text"))).to_be_visible()
    for gone in (
        page.locator(SUBMIT),
        page.get_by_label(words("user.label")),
        page.get_by_role("region", name=words("map.title")),
    ):
        await expect(gone).to_be_hidden()
    await check_page(page, "event-sold-out")


async def test_what_others_hold_is_not_called_sold_out(make_event_without_webhooks: MakeEvent, visit: OpenPage) -> None:
    site = await make_event_without_webhooks("VIP=4,GA=10")
    page = await open_event(site, visit)
    await no_webhooks.hold(site, "VIP", 4)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.all_held"))
    await expect(vip).to_contain_text(pattern("tier.back_in", time=r"\d:\d\d"))
    await expect(vip).not_to_contain_text(words("tier.sold_out"))
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await check_page(page, "tier-all-held")


async def test_while_others_hold_everything_no_button_books_and_the_page_says_why(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("GA=2")
    reference = await no_webhooks.hold(site, "GA", 2)
    page = await open_event(site, visit)
    summary = page.locator(".summary")
    await expect(summary).to_contain_text(words("summary.nothing", tier="GA"))
    await expect(summary).to_contain_text(pattern("tier.back_in", time=r"\d:\d\d"))
    await expect(summary.get_by_role("button")).to_have_count(0)
    await check_page(page, "event-all-held")
    await site.cancel(reference, "user-123")
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$10"))
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_counts_that_never_came_are_not_called_none(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await visit("about:blank")
    await page.route("**/api/tickets/availability*", lambda route: route.abort())
    await page.goto(site.event_url)
    await expect(page.locator(".tier-count")).to_have_text([words("tier.unknown")] * 3)
    await expect(page.locator(".summary")).to_contain_text(words("counts.unreachable"))
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await check_page(page, "event-counts-unknown")
    await page.unroute("**/api/tickets/availability*")
    await expect(page.locator(SUBMIT)).to_be_enabled()


# A visitor's computer whose clock is ten minutes fast.
_FAST_CLOCK = """
    const RealDate = Date;
    const ahead = 600_000;
    globalThis.Date = class extends RealDate {
        constructor(...values) { super(...(values.length ? values : [RealDate.now() + ahead])); }
        static now() { return RealDate.now() + ahead; }
    };
"""


async def test_a_sale_that_has_not_begun_counts_down_and_opens_by_itself(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE, sales_start_at=datetime.now(UTC) + timedelta(hours=2))
    page = await visit("about:blank")
    # The countdown uses the server's clock.
    await page.add_init_script(_FAST_CLOCK)
    await page.goto(site.event_url)
    await expect(page.get_by_role("heading", name=words("sale.upcoming.title"))).to_be_visible()
    await expect(page.get_by_role("timer")).to_have_text(pattern("sale.upcoming.in", time=r"1:59:\d\d"))
    await check_page(page, "event-upcoming")
    # The time is longer than the page's interval for reading the concert.
    await site.set_columns(sales_start_at=datetime.now(UTC) + timedelta(seconds=22))
    await expect(page.get_by_role("timer")).to_have_text(pattern("sale.upcoming.in", time=r"0:\d\d"))
    await expect(page.locator(SUBMIT)).to_be_enabled(timeout=30_000)


async def test_a_distant_sale_counts_in_days(make_event: MakeEvent, visit: OpenPage) -> None:
    now = datetime.now(UTC)
    opens = now + timedelta(days=305, hours=12)
    site = await make_event(HOUSE, sales_start_at=opens, starts_at=opens + timedelta(days=9))
    page = await visit(site.event_url)
    await expect(page.get_by_role("timer")).to_have_text(words("sale.upcoming.in", time="305 days"))
    await check_page(page, "event-upcoming-far")


@pytest.mark.parametrize(
    ("columns", "heading", "name"),
    [
        ({"sales_end_at": True}, words("sale.ended.title"), "event-ended"),
        ({"cancelled_at": True}, words("sale.cancelled.title"), "event-cancelled"),
    ],
)
async def test_a_sale_that_is_over_says_why_and_may_begin_again(
    columns: dict[str, bool], heading: str, name: str, make_event: MakeEvent, visit: OpenPage
) -> None:
    now = datetime.now(UTC)
    site = await make_event(
        HOUSE, created_at=now - timedelta(days=9), sales_start_at=now - timedelta(days=9), **dict.fromkeys(columns, now)
    )
    page = await visit(site.event_url)
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    await expect(page.get_by_text(words("event.lead"))).to_have_count(0)
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await check_page(page, name)
    # Without a sale the page polls no counts.
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if "/api/tickets" in request.url else None)
    await page.wait_for_timeout(5_000)
    assert polls == []
    await site.set_columns(**dict.fromkeys(columns))
    await keep_entering(page)
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_an_unknown_concert_has_a_way_back(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/event/no-such-concert")
    await expect(page.get_by_role("heading", name=words("event.missing.title"))).to_be_visible()
    await check_page(page, "event-unknown")
    await page.get_by_role("main").get_by_role("link", name=words("nav.all_concerts")).click()
    await expect(page.get_by_role("heading", name=words("home.concerts"))).to_be_visible()


async def test_an_unknown_address_has_a_way_back(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/no/such/page")
    await expect(page.get_by_role("heading", name=words("missing.title"))).to_be_visible()
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{inline_site.url}/no/such/page")).status_code == 404


@pytest.mark.parametrize(
    ("locale", "direction", "stock", "price", "name"),
    [
        ("de-DE", "ltr", words("tier.left", "de", left=20, total=20), "100\xa0$", "german"),
        # The currency keeps its own direction.
        (
            "ar-EG",
            "rtl",
            words("tier.left", "ar", left="\u0662\u0660", total="\u0662\u0660"),
            "\u0661\u0660\u0660\xa0\u2066US$\u2069",
            "arabic",
        ),
    ],
)
async def test_the_page_speaks_the_visitors_language(
    locale: str, direction: str, stock: str, price: str, name: str, make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await visit(site.event_url, locale=locale)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.available", locale[:2]))
    await expect(tickets_left(page, "VIP")).to_contain_text(stock)
    await expect(vip.locator(".price")).to_contain_text(price)
    await expect(page.locator("html")).to_have_attribute("dir", direction)
    await expect(page.locator("html")).to_have_attribute("lang", locale)
    # The dollar sign alone is ambiguous, so the currency's code stands beside it.
    await expect(page.locator(".summary-total").get_by_text("USD")).to_be_visible()
    await _draw_map(page)
    await check_page(page, f"event-{name}")
    # The language menu changes the language, and the page keeps the choice.
    await page.get_by_role("combobox").select_option("en")
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))
    await page.reload()
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))


@pytest.mark.parametrize(("currency", "total"), [("USD", "$100 USD"), ("CHF", "CHF 100")])
async def test_a_total_names_its_currency_once(
    currency: str, total: str, make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE, currency=currency)
    page = await open_event(site, visit)
    await expect(page.locator(".summary-total")).to_have_text(total)


async def test_the_clock_of_the_venue_counts(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(
        "GA=5",
        doors_at=datetime(2027, 6, 18, 23, 0, tzinfo=UTC),
        starts_at=datetime(2027, 6, 19, 0, 0, tzinfo=UTC),
        time_zone="America/New_York",
    )
    page = await visit("about:blank")
    place = await page.context.new_cdp_session(page)
    # A visitor in another time zone sees the zone's name.
    for zone, time, doors in (
        ("Europe/Paris", "Friday, 8:00 PM EDT", "7:00 PM EDT"),
        ("America/New_York", "Friday, 8:00 PM", "7:00 PM"),
    ):
        await place.send("Emulation.setTimezoneOverride", {"timezoneId": zone})
        await page.goto(site.event_url)
        await expect(page.locator(".poster-day")).to_have_text("18")
        await expect(page.locator(".poster-month span").last).to_have_text(time)
        await expect(page.locator(".poster-date").get_by_text(words("event.doors", time=doors))).to_be_visible()


async def test_nothing_moves_for_who_wants_no_motion(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    await page.emulate_media(reduced_motion="reduce")
    moving = await page.evaluate("document.getAnimations().filter((each) => each.playState === 'running').length")
    assert moving == 0


async def test_a_page_that_breaks_says_so_and_has_ways_on(
    inline_site: Site, make_event: MakeEvent, shared_browser: Browser
) -> None:
    await make_event("GA=5")
    # A browser without date formatting fails to render the list of concerts.
    context = await shared_browser.new_context(locale="en-US")
    await context.add_init_script(
        "Intl.DateTimeFormat = class { constructor() { throw new RangeError('no dates here'); } };"
    )
    page = await context.new_page()
    await page.goto(inline_site.url)
    await expect(page.get_by_role("heading", name=words("error.title"))).to_be_visible()
    await check_page(page, "broken")
    await expect(page.get_by_role("button", name=words("error.reload"))).to_be_visible()
    await expect(page.get_by_role("link", name=words("nav.all_concerts"))).to_be_visible()
    await context.close()
