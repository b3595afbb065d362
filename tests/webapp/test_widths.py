"""Every page fits narrow screens: in each language, with long names, high prices, large text and any date of today."""

import psycopg
import pytest
from playwright.async_api import Page, expect

from tests.webapp.overflow import overflows
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import OpenPage, add, choose, tier_card
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

LANGUAGES = ["en-US", "de-DE", "ar-EG"]
WIDTHS = (320, 390, 600)
LONG_WORD = "Jahreshauptversammlungskonzert"
ENDLESS = "m" * 160
SALE_BEGINS = "2028-03-01T15:00:00Z"
TODAYS = {
    # The visitor's clock shows 2028 and the venue's 2027.
    "New Year's Eve": ("2028-01-01T04:30:00Z", True),
    "leap day": ("2028-02-29T12:00:00Z", False),
    "start of daylight saving time": ("2027-03-14T07:00:00Z", True),
    "end of daylight saving time": ("2027-11-07T06:30:00Z", True),
}
"""By name, the browser's time and whether the date of the sale needs its year."""

# The page may follow the new size in the next frame.
_SET_TEXT_SIZE = """async (percent) => {
    document.documentElement.style.fontSize = `${percent}%`;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""


async def _check_fit(page: Page) -> None:
    """Check the loaded page at each width, with text of the normal size and twice as large."""
    # The event and its counts arrive in either order. Placeholders clip their transparent text.
    await expect(page.locator(".bone")).to_have_count(0)
    found = []
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 844})
        for percent in (100, 200):
            await page.evaluate(_SET_TEXT_SIZE, percent)
            found += [f"{percent} %, {width} px: {fault}" for fault in await overflows(page)]
    await page.evaluate("document.documentElement.style.fontSize = ''")
    assert not found, "\n".join(found)


async def _set_prices(site: Site, price_minor: int) -> None:
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        await conn.execute(
            "update tiers set price_minor = %s where event_id = (select id from events where slug = %s)",
            (price_minor, site.event),
        )


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_the_list_of_events_fits_on_any_day(locale: str, make_event: MakeEvent, visit: OpenPage) -> None:
    name = f"{locale} {LONG_WORD}"
    site = await make_event(
        "GA=5", name=name, venue=ENDLESS, starts_at="2028-06-01T00:00:00Z", sales_start_at=SALE_BEGINS
    )
    page = await visit(site.url, locale=locale, own_clock=True)
    status = page.locator(".event-card", has_text=name).locator(".status")
    for day, (time, has_year) in TODAYS.items():
        await page.clock.set_fixed_time(time)
        await page.reload()
        await expect(status).to_be_visible()
        year = "٢٠٢٨" if locale == "ar-EG" else "2028"
        assert (year in await status.inner_text()) is has_year, day
        await _check_fit(page)


@pytest.mark.parametrize(
    ("locale", "currency", "price_minor"),
    [
        ("en-US", "CHF", 129_950),
        ("en-US", "IDR", 1_500_000_00),
        ("de-DE", "KWD", 1_299_505),
        ("ar-EG", "CHF", 129_950),
        ("ar-EG", "IDR", 1_500_000_00),
    ],
)
async def test_no_price_is_clipped(
    locale: str, currency: str, price_minor: int, make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5,Front Row=8", currency=currency)
    await _set_prices(site, price_minor)
    page = await visit(site.event_url, locale=locale)
    await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
    await _check_fit(page)
    await site.set_columns(sales_start_at=SALE_BEGINS)
    await page.reload()
    await expect(page.locator(".prices")).to_be_visible()
    await _check_fit(page)


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_long_names_wrap_on_every_page(locale: str, make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(f"{LONG_WORD}=5", name=ENDLESS, venue=LONG_WORD, description=f"{ENDLESS} {LONG_WORD}")
    user_id = f"{locale}-{LONG_WORD * 3}"
    answer = await site.sell(LONG_WORD, 2, user_id)
    assert answer.status_code == 201, answer.text
    page = await visit(site.event_url, locale=locale)
    await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
    await _check_fit(page)
    await page.goto(f"{site.url}/booking/{answer.json()['reference']}")
    await expect(page.locator("article")).to_have_attribute("data-state", "confirmed")
    await _check_fit(page)
    await page.goto(f"{site.url}/bookings")
    await page.get_by_label(words("user.label", locale[:2])).fill(user_id)
    await page.get_by_role("button", name=words("bookings.show", locale[:2])).click()
    await expect(page.locator(".booking")).to_have_count(1)
    await _check_fit(page)
    await page.locator(".booking .cancel").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await _check_fit(page)


async def test_long_names_of_tiers_wrap_in_the_list_without_the_event(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(f"{LONG_WORD}=5")
    answer = await site.sell(LONG_WORD, 2, "without-event")
    assert answer.status_code == 201, answer.text
    page = await visit("about:blank", locale="de-DE")
    await page.route("**/api/events/*", lambda route: route.abort())
    await page.goto(f"{site.url}/bookings")
    await page.get_by_label(words("user.label", "de")).fill("without-event")
    await page.get_by_role("button", name=words("bookings.show", "de")).click()
    await expect(page.locator(".booking .event-name")).to_contain_text(LONG_WORD)
    await _check_fit(page)


async def test_long_names_of_tiers_wrap_in_the_summary(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5,Front Row=5")
    first, second = f"{LONG_WORD}-Balkon", f"{LONG_WORD}-Parkett"
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        await conn.execute(
            "update tiers set name = case name when 'VIP' then %s else %s end"
            " where event_id = (select id from events where slug = %s)",
            (first, second, site.event),
        )
    page = await visit(site.event_url, locale="de-DE")
    await expect(tier_card(page, second)).to_have_attribute("data-wanted", "true")
    await add(page, 2, second)
    await add(page, 2, first)
    await expect(page.locator(".picks li")).to_have_count(2)
    await expect(page.locator(".picks")).to_contain_text(second)
    await _check_fit(page)
    await choose(page, first)
    await site.sell(first, 5)
    await expect(page.locator(".summary .other-tier")).to_contain_text(second)
    await expect(page.locator(".summary")).to_contain_text(first)
    await _check_fit(page)


async def test_the_check_finds_a_clipped_price(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    page = await visit(site.event_url)
    await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
    await page.add_style_tag(
        content=".price { white-space: nowrap; } .tiers { grid-template-columns: 1fr 40px !important; }"
    )
    assert any("$100" in fault for fault in await overflows(page))
