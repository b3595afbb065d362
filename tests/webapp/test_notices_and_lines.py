"""The notice of a booking has the colour of success, and names of seats and buttons break only between words."""

import psycopg
import pytest
from playwright.async_api import Locator, Page, expect

from tests.webapp.order_page import sell_order
from tests.webapp.site import BOOKINGS, MakeEvent
from tests.webapp.visitors import OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECORD_BACKGROUNDS = """() => {
    globalThis.backgrounds = {};
    new MutationObserver(() => {
        for (const notice of document.querySelectorAll(".summary .notice")) {
            globalThis.backgrounds[notice.dataset.kind] = getComputedStyle(notice).backgroundColor;
        }
    }).observe(document.documentElement, { attributes: true, childList: true, subtree: true });
}"""
"""Keep the background of each kind of notice, because the notice of a booking is visible only until the next page."""

LINES = """(element) => {
    const lines = new Map();
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
        for (let index = 0; index < node.length; index += 1) {
            const range = document.createRange();
            range.setStart(node, index);
            range.setEnd(node, index + 1);
            const top = Math.round(range.getBoundingClientRect().top);
            lines.set(top, (lines.get(top) ?? "") + range.toString());
        }
    }
    return [...lines.values()].map((line) => line.replaceAll("\\u00a0", " ").trim()).filter(Boolean);
}"""
"""The lines of an element's text."""


async def lines_if_narrow(element: Locator) -> list[str]:
    """Return the lines of an element that is as narrow as its text permits."""
    await element.evaluate("(element) => { element.style.display = 'block'; element.style.width = 'min-content'; }")
    lines: list[str] = await element.evaluate(LINES)
    return lines


async def background_of_a_warning(page: Page) -> str:
    color: str = await page.evaluate(
        """() => {
            const notice = document.querySelector("main").appendChild(document.createElement("div"));
            notice.className = "notice";
            const { backgroundColor } = getComputedStyle(notice);
            notice.remove();
            return backgroundColor;
        }"""
    )
    return color


async def test_the_notice_of_a_booking_has_the_colour_of_success(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=40")
    page = await open_event(site, visit, "booked")
    await page.evaluate(RECORD_BACKGROUNDS)
    warning = await background_of_a_warning(page)
    site.network.hold(BOOKINGS)
    await page.locator("button.submit").click()
    await expect(page.locator(".summary .notice")).to_have_attribute("data-kind", "sending")
    site.network.release()
    await page.wait_for_url("**/booking/*")
    seen = await page.evaluate("globalThis.backgrounds")
    assert seen["done"] == seen["sending"] != warning


@pytest.mark.parametrize(
    ("language", "lines"),
    [("en", ["Row A,", "seat 16"]), ("de", ["Reihe A,", "Platz 16"]), ("ar", ["الصف A،", "المقعد 16"])],
)
async def test_a_seat_name_keeps_row_and_seat_with_their_labels(
    make_event: MakeEvent, visit: OpenPage, language: str, lines: list[str]
) -> None:
    site = await make_event("VIP=40")
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        cursor = await conn.execute(
            """
            select tickets.id from tickets join events on events.id = tickets.event_id
            where slug = %s and row_label = 'A' and seat_number = 16
            """,
            [site.event],
        )
        row = await cursor.fetchone()
    assert row is not None
    reference = (await site.sell("VIP", 1, ticket_ids=row)).json()["reference"]
    page = await visit(f"{site.url}/booking/{reference}", locale=language)
    place = page.locator(".pass .place")
    await expect(place).to_have_count(1)
    await place.evaluate("(element) => { element.style.overflowWrap = 'normal'; }")
    assert [line.replace("\u2068", "").replace("\u2069", "") for line in await lines_if_narrow(place)] == lines


async def test_the_german_button_that_copies_does_not_break(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=40")
    page = await visit(f"{site.url}/booking/{await sell_order(site)}", locale="de", size=(320, 640))
    button = page.locator(".order-reference .text-button")
    await expect(button).to_have_text(words("booking.copy", "de"))
    assert await button.evaluate(LINES) == ["Kopieren"]
    assert await lines_if_narrow(button) == ["Kopieren"]
