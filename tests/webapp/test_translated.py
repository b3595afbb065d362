"""Pages work and stay true after a translator or an extension has changed their elements."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.webapp import no_webhooks
from tests.webapp.site import READS, MakeEvent, Site
from tests.webapp.translator import STYLES, bare, decorate, read, translate, translate_early
from tests.webapp.visitors import (
    DESKTOP,
    SOON_S,
    STALE_AFTER_MS,
    OpenPage,
    Visitors,
    add,
    choose,
    draw_map,
    keep_entering,
    open_event,
    return_to_present,
    tickets_left,
)
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
# Two pages poll at different times, so the ages of their last counts differ.
_AGE = re.compile(bare(words("counts.stale", age=r"\d+")))


async def _read_without_age(page: Page) -> str:
    return _AGE.sub(words("counts.stale", age="?"), await read(page))


async def _until_equal(translated: Page, plain: Page) -> None:
    """Wait until a translated page shows what a page without a translator shows."""
    deadline = time.monotonic() + SOON_S
    while (shown := await _read_without_age(translated)) != (right := await _read_without_age(plain)):
        assert time.monotonic() < deadline, f"translated:\n{shown}\n\nright:\n{right}"
        await asyncio.sleep(0.1)


async def _until_other(page: Page, selector: str, before: str) -> None:
    """Wait until a part of a page shows another text, apart from the marks of a translation."""
    deadline = time.monotonic() + SOON_S
    while await read(page, selector) == before:
        assert time.monotonic() < deadline, before
        await asyncio.sleep(0.1)


async def _two_pages(site: Site, visit: OpenPage) -> tuple[Page, Page]:
    translated, plain = [await open_event(site, visit, "linguist", size=DESKTOP, own_clock=True) for _ in range(2)]
    for page in (translated, plain):
        await draw_map(page)
        await page.locator(".counts summary").click()
    return translated, plain


async def test_every_kind_of_translator_leaves_the_form_usable(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=10,GA=50")
    page = await open_event(site, visit)
    for style in STYLES:
        # The tab would keep the basket of the last translator.
        await page.evaluate("sessionStorage.clear()")
        await page.reload()
        await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
        await translate(page, style)
        await choose(page, "GA")
        await add(page)
        summary = await read(page, ".summary")
        assert bare(words("summary.tickets", quantity=2, tier="GA")) in summary, style
        assert bare(words("book.button", total="$20")) in summary, style
        assert "VIP" not in summary, style


async def test_counts_totals_and_a_purchase_after_translation(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=10,GA=50")
    page = await open_event(site, visit, "linguist")
    await page.locator(".counts summary").click()
    await translate(page)
    await choose(page, "GA")
    await add(page)
    assert (await site.sell("GA", 7)).status_code == 201
    await expect(tickets_left(page, "GA")).to_contain_text("43")
    summary = await read(page, ".summary")
    assert bare(words("summary.tickets", quantity=2, tier="GA")) in summary
    assert bare(words("book.button", total="$20")) in summary
    assert "VIP" not in summary
    assert await read(page, ".tier[data-tier=GA] .stepper output") == "2"

    await page.locator(SUBMIT).click()
    await expect(page.locator("article")).to_have_attribute("data-state", "confirmed")
    assert bare(words("booking.confirmed.title")) in await read(page, "h1")
    [(reference, status)] = await site.orders("linguist")
    assert (await read(page, "#reference"), status) == (reference, "confirmed")


async def test_a_translated_event_shows_what_an_untranslated_one_does(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=10,Front Row=30,GA=5")
    translated, plain = await _two_pages(site, visit)
    await translate(translated, follow=True)

    async def both(act: Callable[[Page], Awaitable[None]]) -> None:
        for page in (translated, plain):
            await act(page)
        await _until_equal(translated, plain)

    await both(lambda page: choose(page, "Front Row"))
    await both(lambda page: page.get_by_role("button", name=words("seats.best")).click())
    await both(add)
    await both(lambda page: page.get_by_role("button", name=words("map.list_open")).click())
    await both(lambda page: page.get_by_role("button", name=words("summary.clear")).click())
    seat = translated.locator("[data-seat][data-state='free'][aria-label*='Front Row']").first
    seat_id = int(await seat.get_attribute("data-seat") or "")
    await both(lambda page: page.locator(f"[data-seat='{seat_id}']").click())
    # Another buyer takes the picked seat, and then every standing place.
    assert (await site.sell("Front Row", 1, ticket_ids=[seat_id])).status_code == 201
    await expect(translated.locator("[data-kind='seat_lost']")).to_be_visible()
    await expect(plain.locator("[data-kind='seat_lost']")).to_be_visible()
    await _until_equal(translated, plain)
    assert (await site.sell("GA", 5)).status_code == 201
    await expect(plain.locator(".tier[data-tier='GA']")).to_have_attribute("data-sold-out", "true")
    await _until_equal(translated, plain)
    # The network breaks and comes back.
    site.network.lose_requests(READS)
    for page in (translated, plain):
        await page.clock.fast_forward(STALE_AFTER_MS)
        await expect(page.locator(".freshness")).to_have_attribute("data-phase", "stale")
    await _until_equal(translated, plain)
    site.network.mend()
    for page in (translated, plain):
        await return_to_present(page)
        await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
    await _until_equal(translated, plain)
    # The visitor chooses a language that the pages have.
    await both(_choose_german)
    # The sale ends.
    await site.set_columns(sales_end_at="2026-01-02T00:00:00Z", sales_start_at="2026-01-01T00:00:00Z")
    for page in (translated, plain):
        await keep_entering(page)
        await expect(page.locator(".closed")).to_have_attribute("data-sale", "ended")
    await _until_equal(translated, plain)


async def _choose_german(page: Page) -> None:
    await page.locator("select.language").select_option("de")
    await expect(page.locator("html")).to_have_attribute("lang", re.compile("^de"))


async def test_a_countdown_runs_on_after_translation(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5", sales_start_at=datetime.now(UTC) + timedelta(hours=1))
    page = await visit(site.event_url)
    await expect(page.get_by_role("timer")).to_be_visible()
    await translate(page)
    before = await read(page, ".countdown")
    await _until_other(page, ".countdown", before)
    await site.set_columns(sales_start_at="2026-01-01T00:00:00Z")
    await keep_entering(page)
    await expect(page.locator(".freshness")).to_be_visible()
    assert bare(words("sale.upcoming.title")) not in await read(page)


async def test_refusals_are_shown_on_a_translated_page(make_declining_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_declining_event("GA=3")
    page = await open_event(site, visit, "reader-declined")
    await add(page)
    await page.get_by_label(words("user.label")).fill("  ")
    await translate(page)
    await page.locator(SUBMIT).click()
    await expect(page.locator(".order")).to_contain_text(words("checkout.invalid.user_missing"))
    await page.get_by_label(words("user.label")).fill("reader-declined")
    await translate(page)
    await page.locator(SUBMIT).click()
    await expect(page.locator(".summary .notice")).to_contain_text(words("checkout.declined.title"))
    await translate(page)
    await page.get_by_role("button", name=words("checkout.again")).click()
    await expect(page.locator(".summary .notice")).to_contain_text(words("checkout.declined.text"))
    assert bare(words("error.title")) not in await read(page)


async def test_a_translated_booking_follows_its_payment_and_its_cancelling(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference = await no_webhooks.hold(site, quantity=2)
    page, plain = [await visit(f"{site.url}/booking/{reference}") for _ in range(2)]
    await expect(page.locator("article")).to_have_attribute("data-state", "pending")
    await translate(page)
    before = await read(page, ".countdown")
    await _until_other(page, ".countdown", before)
    await no_webhooks.poll_provider(site, reference)
    for each in (page, plain):
        await expect(each.locator("article")).to_have_attribute("data-state", "confirmed")
    await _until_equal(page, plain)
    await translate(page)
    await page.get_by_role("button", name=words("booking.copy")).first.click()
    await page.get_by_role("button", name=words("booking.cancel")).click()
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.locator("article")).to_have_attribute("data-state", re.compile("cancelled"))
    assert bare(words("booking.cancelled.title")) in await read(page, "h1")


async def test_translated_lists_change_with_the_system(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5", name="Translated Night")
    first, second = [(await site.sell("GA", 1, "reader-list")).json()["reference"] for _ in range(2)]
    page = await visit(f"{site.url}/bookings")
    await page.get_by_label(words("user.label")).fill("reader-list")
    await page.get_by_role("button", name=words("bookings.show")).click()
    await expect(page.locator(".booking")).to_have_count(2)
    await translate(page)
    await page.locator(".booking", has_text=first).get_by_role("button").click()
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.locator(".booking", has_text=first)).to_contain_text(words("status.cancelled_refunded"))
    for tab, references in (("cancelled", [first]), ("past", []), ("upcoming", [second])):
        await translate(page)
        await page.locator(".filters").get_by_role("link", name=words(f"bookings.{tab}")).click()
        await expect(page.locator(".bookings[aria-busy]")).to_have_count(0)
        for reference in references:
            await expect(page.locator(".booking-reference", has_text=reference)).to_be_visible()

    await page.locator(".brand").click()
    card = page.locator(".event-card", has_text="Translated Night")
    await expect(card).to_have_attribute("data-state", "on_sale")
    await translate(page)
    assert (await site.sell("GA", 4)).status_code == 201
    await keep_entering(page)
    await expect(card).to_have_attribute("data-state", "sold_out")
    assert bare(words("state.sold_out")) in bare(await card.inner_text())
    assert bare(words("home.from", price="$10")) not in bare(await card.inner_text())


async def test_a_page_that_is_translated_before_its_scripts_run_works(
    make_event: MakeEvent, visitors: Visitors
) -> None:
    site = await make_event("GA=5")
    async with visitors.visitor() as context:
        page = await context.new_page()
        await translate_early(page)
        await page.goto(site.event_url)
        await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
        assert await page.locator("font").count() > 0
        await page.get_by_label(words("user.label")).fill("reader-early")
        await page.locator(SUBMIT).click()
        await expect(page.locator("article")).to_have_attribute("data-state", "confirmed")


async def test_a_form_that_an_extension_has_changed_books(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5,GA=5")
    page = await open_event(site, visit)
    field = page.get_by_label(words("user.label"))
    await decorate(field)
    # A password manager sets the value without any key.
    await field.evaluate("(input) => { input.value = 'managed'; }")
    await choose(page, "GA")
    await add(page)
    await page.locator(SUBMIT).click()
    await expect(page.locator("article")).to_have_attribute("data-state", "confirmed")
    assert bare(words("summary.tickets", quantity=2, tier="GA")) in await read(page, "#order-tickets")
    assert len(await site.orders("managed")) == 1


async def test_translators_leave_names_and_references_alone(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5", name="Ma Reine", venue="Salle Rouge", description="Un soir.")
    reference = (await site.sell("VIP", 1, "Rose Noire")).json()["reference"]

    async def kept(page: Page, texts: list[str]) -> None:
        for text in texts:
            shown = page.locator("main").get_by_text(text, exact=True)
            await expect(shown.first).to_be_visible()
            assert await shown.evaluate_all("(all) => all.every((one) => one.closest('[translate=no]'))"), text

    await kept(await visit(site.url), ["Ma Reine"])
    page = await open_event(site, visit)
    await kept(page, ["Ma Reine", "Salle Rouge", "VIP"])
    assert await page.locator(".house").evaluate("(map) => map.closest('[translate=no]') !== null")
    await kept(await visit(f"{site.url}/booking/{reference}"), ["Ma Reine", reference, "Rose Noire"])
    page = await visit(f"{site.url}/bookings")
    await page.get_by_label(words("user.label")).fill("Rose Noire")
    await page.get_by_role("button", name=words("bookings.show")).click()
    await kept(page, ["Ma Reine", reference])
