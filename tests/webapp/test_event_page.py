"""The home page and an event's page: their links, languages, motion and errors."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.stack import PLAIN_HTTP
from tests.webapp.appearance import check_page
from tests.webapp.site import READS, MakeEvent, Site
from tests.webapp.visitors import OpenPage, draw_map, open_event, tickets_left
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUSE = "VIP=20,Front Row=40,GA=100"
LIST_POLL_MS = 10_000
"""The interval at which the home page reads the list of events."""


async def test_the_home_page_lists_present_and_future_sales(make_event: MakeEvent, visit: OpenPage) -> None:
    now = datetime.now(UTC)
    soon = await make_event("GA=5", name="Later Tonight", starts_at=now + timedelta(days=1), time_zone="UTC")
    await make_event("GA=5", name="Next Spring", sales_start_at=now + timedelta(days=2))
    # Its sale starts in another year, so the list shows the longest date.
    next_year = now + timedelta(days=400)
    await make_event("GA=5", name="Next Year", sales_start_at=next_year, starts_at=next_year + timedelta(days=90))
    gone = await make_event("GA=5", name="Gone", starts_at=now + timedelta(days=3))
    await make_event("GA=5", name="Called Off", created_at=now - timedelta(days=1), cancelled_at=now)
    await gone.sell("GA", 5)
    page = await visit(soon.url, own_clock=True)
    cards = {name: page.locator(".event-card", has_text=name) for name in ("Later Tonight", "Next Spring", "Gone")}
    await expect(cards["Later Tonight"]).to_contain_text(words("state.on_sale"))
    await expect(cards["Later Tonight"]).to_contain_text(words("home.from", price="$10"))
    await expect(cards["Later Tonight"]).to_contain_text("Harbour Hall")
    await expect(cards["Later Tonight"].locator("time")).to_contain_text(str((now + timedelta(days=1)).year))
    await expect(cards["Next Spring"]).to_contain_text(pattern("state.upcoming", date=".+", time=r"\d+:\d\d"))
    await expect(cards["Gone"]).to_contain_text(words("tier.sold_out"))
    await expect(page.locator(".event-card", has_text="Called Off")).to_contain_text(words("state.cancelled"))
    await check_page(page, "home")
    soon.network.lose_responses(READS)
    await page.clock.fast_forward(LIST_POLL_MS)
    await expect(page.get_by_text(words("away.stale"))).to_be_visible()
    await expect(cards["Later Tonight"]).to_be_visible()
    await check_page(page, "home-stale")
    soon.network.mend()
    await cards["Later Tonight"].get_by_role("link").click()
    await page.wait_for_url(soon.event_url)
    await expect(page).to_have_title(
        pattern("event.title", event="Later Tonight", date=r"\w+ \d+, \d{4}", venue="Harbour Hall")
    )


async def test_an_unknown_event_links_to_other_pages(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/event/no-such-event")
    await expect(page.get_by_role("heading", name=words("event.missing.title"))).to_be_visible()
    await check_page(page, "event-unknown")
    await page.get_by_role("main").get_by_role("link", name=words("nav.all_events")).click()
    await expect(page.get_by_role("heading", name=words("home.events"))).to_be_visible()


async def test_an_unknown_address_links_to_other_pages(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/no/such/page")
    await expect(page.get_by_role("heading", name=words("missing.title"))).to_be_visible()
    async with httpx.AsyncClient(verify=PLAIN_HTTP) as http:
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
async def test_the_page_has_the_visitors_language(
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
    # The dollar sign alone is ambiguous, so the currency's code follows it. "US$" is not.
    await expect(page.locator(".summary-total").get_by_text("USD")).to_have_count(0 if "US$" in price else 1)
    await draw_map(page)
    await check_page(page, f"event-{name}")
    # The language menu changes the language, and the page keeps the choice.
    await page.get_by_role("combobox").select_option("en")
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))
    await page.reload()
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))


async def test_reduced_motion_stops_every_animation(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    await page.emulate_media(reduced_motion="reduce")
    moving = await page.evaluate("document.getAnimations().filter((each) => each.playState === 'running').length")
    assert moving == 0


async def test_an_exception_on_a_page_shows_a_message_and_links(
    inline_site: Site, make_event: MakeEvent, shared_browser: Browser
) -> None:
    await make_event("GA=5")
    # A browser without date formatting fails to render the list of events.
    context = await shared_browser.new_context(locale="en-US")
    await context.add_init_script(
        "Intl.DateTimeFormat = class { constructor() { throw new RangeError('no dates here'); } };"
    )
    page = await context.new_page()
    await page.goto(inline_site.url)
    await expect(page.get_by_role("heading", name=words("error.title"))).to_be_visible()
    await check_page(page, "broken")
    await expect(page.get_by_role("button", name=words("error.reload"))).to_be_visible()
    await expect(page.get_by_role("link", name=words("nav.all_events"))).to_be_visible()
    await context.close()
