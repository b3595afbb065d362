"""The page charges only a total that it has shown."""

import psycopg
import pytest
from playwright.async_api import Page, expect
from psycopg import sql

from tests.webapp.appearance import NARROWEST, check_page, shot
from tests.webapp.order_page import find_order, visit_expired, wait_for_next_order
from tests.webapp.site import READS, MakeEvent, Site
from tests.webapp.visitors import OpenPage, add, choose, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
NOTICE = ".summary .notice"


async def _change_tier(site: Site, tier: str, **columns: object) -> None:
    """Set columns of a tier's row."""
    values = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in columns.items()
    )
    event = sql.SQL("event_id = (select id from events where slug = {})").format(sql.Literal(site.event))
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        await conn.execute(
            sql.SQL("update tiers set {} where name = {} and {}").format(values, sql.Literal(tier), event)
        )


async def _totals(site: Site, user_id: str) -> list[int]:
    """Return the totals of a user's orders in minor units."""
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        cursor = await conn.execute("select total_minor from orders where user_id = %s order by id", (user_id,))
        return [total for (total,) in await cursor.fetchall()]


async def _check_languages(page: Page, name: str) -> None:
    """Check the width of the narrowest page in each language."""
    size = page.viewport_size
    assert size
    await page.set_viewport_size({"width": NARROWEST, "height": size["height"]})
    for language in ("de", "ar", "en"):
        await page.locator("select.language").select_option(language)
        await expect(page.locator(".notice-title")).to_have_text(words("checkout.price_changed.title", language))
        await shot(page, f"{name}-{language}-narrow")
    await page.set_viewport_size(size)


async def test_a_price_that_was_never_shown_is_not_charged(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=20,GA=20")
    page = await open_event(site, visit, "agreed")
    await add(page)
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$200"))
    # The page must not receive the new price before the click.
    site.network.hold(READS)
    await _change_tier(site, "VIP", price_minor=10_550)
    await page.locator(SUBMIT).click()
    notice = page.locator(NOTICE)
    await expect(notice).to_contain_text(words("checkout.price_changed.title"))
    await expect(notice).to_contain_text(
        words("checkout.price_changed.text", quantity=2, tier="VIP", old="$200", new="$211")
    )
    # Screen readers read the notice, and the next action has the focus.
    await expect(page.locator(".notice-place[role=status][aria-live=polite]")).to_contain_text("$211")
    button = notice.get_by_role("button", name=words("book.button", total="$211"))
    await expect(button).to_be_focused()
    await expect(page.locator(SUBMIT)).to_have_count(0)
    assert await _totals(site, "agreed") == []
    await check_page(page, "booking-price-changed")
    await _check_languages(page, "booking-price-changed")
    site.network.release()
    # The tiers show the new price at once.
    await expect(page.locator(".tier[data-tier='VIP'] .price")).to_have_text("$105.50")
    await button.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/booking/*")
    assert await _totals(site, "agreed") == [21_100]


async def test_a_failed_order_is_not_repeated_at_another_price(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    _, page = await visit_expired(visit, site)
    await _change_tier(site, "VIP", price_minor=10_550)
    await page.get_by_role(
        "button", name=words("booking.again", tickets=words("summary.tickets", quantity=2, tier="VIP"), total="$200")
    ).click()
    notice = page.locator(".order-again .notice")
    await expect(notice).to_contain_text(
        words("checkout.price_changed.text", quantity=2, tier="VIP", old="$200", new="$211")
    )
    await check_page(page, "order-price-changed")
    await notice.get_by_role("button", name=words("book.button", total="$211")).click()
    reference = await wait_for_next_order(page)
    assert (await find_order(site, reference, page))["total"] == 211


# The event is read again after fifteen seconds, which a test must not wait for. Other timers stay.
_WITHOUT_EVENT_POLL = """
const original = window.setTimeout;
window.setTimeout = (run, ms, ...values) => (ms === 15_000 ? 0 : original(run, ms, ...values));
"""
# Every text that a tier has shown.
_RECORD_TIERS = """() => {
    globalThis.shown = [];
    const record = () => shown.push(...[...document.querySelectorAll(".tier, .summary")].map((one) => one.innerText));
    new MutationObserver(record).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


async def _open_recorded(site: Site, visit: OpenPage) -> Page:
    page = await visit("about:blank")
    await page.add_init_script(_WITHOUT_EVENT_POLL)
    await page.goto(site.event_url)
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    await page.evaluate(_RECORD_TIERS)
    return page


async def test_a_changed_price_shows_without_waiting_for_the_event(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=20,GA=50")
    page = await _open_recorded(site, visit)
    await choose(page, "GA")
    await page.get_by_label(words("user.label")).fill("informed")
    await _change_tier(site, "GA", price_minor=9_900)
    await expect(page.locator(".tier[data-tier='GA'] .price")).to_have_text("$99")
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$99"))
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    assert await _totals(site, "informed") == [9_900]


async def test_a_renamed_tier_is_neither_sold_out_nor_empty(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=20,GA=50")
    page = await _open_recorded(site, visit)
    await choose(page, "GA")
    await page.get_by_label(words("user.label")).fill("renamed")
    await _change_tier(site, "GA", name="Standing")
    await expect(page.locator(".tier[data-tier='Standing']")).to_contain_text(words("tier.available"))
    # The buyer's choice stays, under its new name.
    await expect(page.locator(".tier[data-tier='Standing']")).to_have_attribute("data-wanted", "true")
    await expect(page.locator(".tier[data-tier='GA']")).to_have_count(0)
    shown: list[str] = await page.evaluate("shown")
    wrong = [words("tier.sold_out"), words("tier.left", left=0, total=50), words("summary.nothing", tier="GA")]
    assert not [text for text in shown if any(each in text for each in wrong)]
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    assert await _totals(site, "renamed") == [1_000]
