"""The sale on an event's page: upcoming, over, its prices and its times."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from tests.webapp.appearance import check_page
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, expect_polling, keep_entering, open_event, requests_within
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
HOUSE = "VIP=20,Front Row=40,GA=100"
OPENS_IN = timedelta(seconds=12)
"""Long enough for a page to read the event again, on a busy machine."""

# A visitor's computer whose clock is ten minutes fast.
_FAST_CLOCK = """
    const RealDate = Date;
    const ahead = 600_000;
    globalThis.Date = class extends RealDate {
        constructor(...values) { super(...(values.length ? values : [RealDate.now() + ahead])); }
        static now() { return RealDate.now() + ahead; }
    };
"""


async def test_an_upcoming_sale_counts_down_and_opens(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE, sales_start_at=datetime.now(UTC) + timedelta(hours=2))
    page = await visit("about:blank")
    # The countdown uses the server's clock.
    await page.add_init_script(_FAST_CLOCK)
    await page.goto(site.event_url)
    await expect(page.get_by_role("heading", name=words("sale.upcoming.title"))).to_be_visible()
    await expect(page.get_by_role("timer")).to_have_text(pattern("sale.upcoming.in", time=r"1:59:\d\d"))
    await check_page(page, "event-upcoming")
    await keep_entering(page)
    await site.set_columns(sales_start_at=datetime.now(UTC) + OPENS_IN)
    await expect(page.get_by_role("timer")).to_have_text(pattern("sale.upcoming.in", time=r"0:\d\d"))
    await expect(page.locator(SUBMIT)).to_be_enabled()


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
async def test_a_sale_that_is_over_names_the_reason_and_may_begin_again(
    columns: dict[str, bool], heading: str, name: str, make_event: MakeEvent, visit: OpenPage
) -> None:
    now = datetime.now(UTC)
    site = await make_event(
        HOUSE, created_at=now - timedelta(days=9), sales_start_at=now - timedelta(days=9), **dict.fromkeys(columns, now)
    )
    page = await visit(site.event_url, own_clock=True)
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    await expect(page.get_by_text(words("event.lead"))).to_have_count(0)
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await check_page(page, name)
    # Without a sale the page polls no counts.
    assert await requests_within(page, "/api/tickets", 5_000) == []
    await site.set_columns(**dict.fromkeys(columns))
    await keep_entering(page)
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await expect_polling(page, "/api/tickets", 5_000)


@pytest.mark.parametrize(("currency", "total"), [("USD", "$100 USD"), ("CHF", "CHF 100")])
async def test_a_total_names_its_currency_once(
    currency: str, total: str, make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE, currency=currency)
    page = await open_event(site, visit)
    await expect(page.locator(".summary-total")).to_have_text(total)


async def test_times_are_those_of_the_venue(make_event: MakeEvent, visit: OpenPage) -> None:
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
