"""Pages of one event fit a narrow screen in each language and show the same times, whatever the date of today is."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.webapp.appearance import NARROWEST
from tests.webapp.overflow import overflows
from tests.webapp.site import MakeEvent
from tests.webapp.test_widths import TODAYS
from tests.webapp.visitors import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The doors open before the end of daylight saving time, and the concert begins after it.
DOORS, START = "2027-11-07T05:30:00Z", "2027-11-07T06:30:00Z"
SALE_BEGINS = "2027-03-14T07:00:00Z"
TEXTS = ".poster-date, .closed p, .order-event, dd, .booking-words"
"""The places of dates and times."""


async def _times_in_each_language(page: Page) -> dict[str, list[str]]:
    """Check the width of the page in each language; return its texts with times by language."""
    times = {}
    for language in ("de", "ar", "en"):
        await page.locator("select.language").select_option(language)
        await expect(page.locator("html")).to_have_attribute("lang", re.compile(f"^{language}"))
        assert await overflows(page) == [], language
        texts = await page.locator(TEXTS).all_inner_texts()
        # A countdown runs.
        times[language] = [text for text in texts if ":" in text and not re.search(r"\d:\d\d:\d\d", text)]
    return times


async def test_the_pages_of_an_event_fit_and_show_the_same_times_on_any_day(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    columns = {"doors_at": DOORS, "starts_at": START, "time_zone": "America/New_York"}
    on_sale = await make_event("VIP=5,GA=5", **columns)
    upcoming = await make_event("VIP=5,GA=5", **columns, sales_start_at=SALE_BEGINS)
    reference = (await on_sale.sell("VIP", 2, "any-day")).json()["reference"]
    page = await visit(on_sale.url, size=(NARROWEST, 640), own_clock=True)
    await page.evaluate("localStorage.setItem('user-id', 'any-day')")
    for site, path, ready in (
        (on_sale, f"/event/{on_sale.event}", ".freshness[data-phase=live]"),
        (upcoming, f"/event/{upcoming.event}", ".closed[data-sale=upcoming]"),
        (on_sale, f"/booking/{reference}", "article[data-state=confirmed] .pass-event"),
        (on_sale, "/bookings", ".booking .parts"),
    ):
        shown = {}
        for day, (time, _) in TODAYS.items():
            await page.clock.set_fixed_time(time)
            await page.goto(f"{site.url}{path}")
            await expect(page.locator(ready).first).to_be_visible()
            shown[day] = await _times_in_each_language(page)
        first, *others = shown.values()
        assert all(first.values()), path
        assert all(each == first for each in others), path
