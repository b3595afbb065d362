"""An order's page: its loading, its content, its printed form, and an unavailable API."""

import re
from urllib.parse import unquote

import pytest
from playwright.async_api import ViewportSize, expect

from api.commands import check_in
from api.config import Settings
from api.secret import load_or_create_secret
from api.services import codes
from api.settings.secrets import TICKET_SECRET
from tests.webapp.appearance import check_page, shot, take_picture
from tests.webapp.order_page import (
    codes_on,
    expect_codes,
    expect_drawn,
    expect_title,
    find_order,
    seconds_left,
    sell_order,
    visit_order,
    visit_pending,
)
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAPER: ViewportSize = {"width": 703, "height": 1032}
"""A sheet of A4 without its margins, in CSS pixels."""


async def test_a_page_that_loads_shows_an_empty_ticket(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    reference = await sell_order(site)
    page = await visit(f"{site.url}/bookings")
    # check_page takes longer than the page's request timeout, so the page gets none.
    await page.add_init_script("AbortSignal.timeout = () => new AbortController().signal")
    site.network.hold()
    await page.goto(f"{site.url}/booking/{reference}")
    await expect_title(page, words("booking.loading"))
    await check_page(page, "order-loading")
    site.network.release()
    await expect_title(page, words("booking.confirmed.title"))


async def test_an_unknown_booking_links_to_other_pages(inline_site: Site, visit: OpenPage) -> None:
    page = await visit_order(visit, inline_site, "bk_nothing")
    await expect_title(page, words("booking.missing.title"))
    await check_page(page, "order-missing")
    await page.get_by_role("link", name=words("nav.all_events")).click()
    await page.wait_for_url(f"{inline_site.url}/")


async def test_an_unavailable_api_is_named_and_the_booking_appears_once_it_is_back(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5")
    reference = await sell_order(site)
    site.network.lose_responses()
    page = await visit_order(visit, site, reference)
    await expect_title(page, words("away.title"))
    await check_page(page, "order-away")
    site.network.mend()
    await expect_title(page, words("booking.confirmed.title"))
    await expect_codes(page, 2)


async def test_a_confirmed_booking_has_a_code_for_each_ticket(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    reference = await sell_order(site)
    order = await find_order(site, reference)
    page = await visit_order(visit, site, reference)
    await expect_title(page, words("booking.confirmed.title"))
    await expect(page).to_have_title(words("booking.title", event="Night Tide"))
    await expect(page.locator("#reference")).to_have_text(reference)
    await expect(page.locator("#order-tickets")).to_have_text(words("summary.tickets", quantity=2, tier="VIP"))
    await expect(page.locator("#order-total")).to_have_text("$200USD")
    places = [words("seat.name", row=ticket["row"], number=ticket["seat"]) for ticket in order["bookings"]]
    await expect(page.locator(".pass .place")).to_have_text(places)
    await expect_codes(page, 2)
    await check_page(page, "order-confirmed")

    # The check-in accepts the drawn codes.
    secret = load_or_create_secret(Settings.from_env(site.stack.environment), TICKET_SECRET)
    for image, ticket in zip(await codes_on(page).all(), order["bookings"], strict=True):
        code = codes.sign(secret, ticket["id"], ticket["bookingReference"])
        _, _, drawn = (await image.get_attribute("src") or "").partition(",")
        assert unquote(drawn).encode() == codes.draw(code)
        scanned = check_in.scan(site.stack.database_url, secret, code, admission_hours=12)
        assert scanned is not None
        assert (scanned.valid, scanned.row_label, scanned.seat_number) == (True, ticket["row"], ticket["seat"])

    await page.reload()
    await expect_title(page, words("booking.confirmed.title"))
    await expect_codes(page, 2)


async def test_standing_tickets_are_named(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=10")
    page = await visit_order(visit, site, await sell_order(site, "GA"))
    await expect_title(page, words("booking.confirmed.title"))
    await expect(page.locator(".pass .place")).to_have_text([words("booking.standing")] * 2)
    await expect_codes(page, 2)
    await check_page(page, "order-standing")


async def test_a_document_that_cannot_be_loaded_is_named_until_it_is_loaded(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5")
    page = await visit_order(visit, site, await sell_order(site))
    save = page.get_by_role("button", name=words("booking.pdf"))
    failure = page.get_by_role("status").filter(has_text=words("booking.document_failed"))
    await page.route("**/tickets.pdf*", lambda route: route.fulfill(status=503))
    await save.click()
    await expect(failure).to_be_visible()
    await page.route("**/tickets.pdf*", lambda route: route.abort())
    await save.click()
    await expect(failure).to_be_visible()
    await page.unroute_all(behavior="wait")
    async with page.expect_download() as started:
        await save.click()
    assert (await (await started.value).path()).read_bytes().startswith(b"%PDF")
    await expect(failure).to_have_count(0)


async def test_a_confirmed_booking_is_copied_printed_and_put_into_a_calendar(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    reference = await sell_order(site)
    page = await visit_order(visit, site, reference)
    await expect_codes(page, 2)

    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name=words("booking.copy")).click()
    await expect(page.get_by_text(words("booking.copied"))).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == reference

    calendar = page.get_by_role("button", name=words("booking.calendar"))
    async with page.expect_response("**/calendar.ics") as responded, page.expect_download() as started:
        await calendar.click()
    response = await responded.value
    assert response.headers["content-type"].startswith("text/calendar")
    download = await started.value
    assert download.suggested_filename == f"{site.event}.ics"
    assert "SUMMARY:Night Tide" in (await download.path()).read_text()
    await expect_title(page, words("booking.confirmed.title"))

    await page.evaluate("window.print = () => document.body.setAttribute('data-printed', '')")
    await page.get_by_role("button", name=words("booking.print")).click()
    await expect(page.locator("body")).to_have_attribute("data-printed", "")
    await page.set_viewport_size(PAPER)
    await page.emulate_media(media="print", color_scheme="dark")
    await expect(page.get_by_label(words("nav.label"))).to_be_hidden()
    await expect(page.get_by_role("button")).to_have_count(0)
    await expect(page.locator("#reference")).to_be_visible()
    # Each ticket may be cut off on its own.
    for each in await page.locator(".pass").all():
        await expect(each).to_contain_text(re.compile(r"Night Tide.*2027.*Harbour Hall"))
    await expect(page.get_by_role("heading", level=1)).to_be_hidden()
    for image in await codes_on(page).all():
        await expect(image).to_be_visible()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    await take_picture(page, "order-print")


async def test_a_print_contains_every_code_without_scrolling(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=10")
    page = await visit_order(visit, site, await sell_order(site, quantity=10))
    await expect(codes_on(page)).to_have_count(10)
    await page.emulate_media(media="print")
    for image in await codes_on(page).all():
        await expect_drawn(image)
    assert await page.evaluate("window.scrollY") == 0


@pytest.mark.parametrize("locale", ["de-DE", "ar"])
async def test_the_page_of_a_booking_is_translated(locale: str, make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    page = await visit(f"{site.url}/booking/{await sell_order(site)}", locale=locale)
    await expect_title(page, words("booking.confirmed.title", locale[:2]))
    await expect(page.locator(".pass-code img")).to_have_count(2)
    if locale == "ar":
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        await check_page(page, "order-arabic")
    else:
        await shot(page, "order-german")


async def test_without_the_api_the_last_data_are_marked_as_old(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=2")
    _, page = await visit_pending(visit, site)
    site.network.lose_responses()
    stale = page.get_by_text(words("away.stale"))
    await expect(stale).to_be_visible()
    before = await seconds_left(page)
    await check_page(page, "order-stale")
    await expect(page.locator(".countdown")).not_to_have_text(f"{before // 60}:{before % 60:02}")
    site.network.mend()
    await expect(stale).to_have_count(0)
