"""Pages in Arabic: names keep their direction, seats their numbers, and amounts one name of their currency."""

import re

import pytest
from playwright.async_api import expect

from tests.webapp.accounts import sign_in
from tests.webapp.site import MakeEvent, Site
from tests.webapp.test_passkeys import add, attach, unfold
from tests.webapp.visitors import DESKTOP, OpenPage, draw_map
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The right edge of a text, where a line of Arabic begins. The element may be wider than its text.
_TEXT_START = """(element) => {
    const range = new Range();
    range.selectNodeContents(element);
    return range.getBoundingClientRect().right;
}"""

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"


async def test_arabic_pages_keep_names_seats_and_amounts_readable(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("Front Row=8", name="Night Tide", venue="Harbour Hall", description="One evening.")
    reference = (await site.sell("Front Row", 1, "Sam (Rivera)")).json()["reference"]
    page = await visit(site.event_url, size=DESKTOP, locale="ar-EG")
    await expect(page.locator("html")).to_have_attribute("dir", "rtl")
    for selector, text in (("h1", "Night Tide"), (".poster-venue", "Harbour Hall"), (".poster-lead", "One evening.")):
        await expect(page.locator(f"{selector} [dir=auto]")).to_have_text(text)
    isolated = f"{FIRST_STRONG_ISOLATE}Front Row{POP_ISOLATE}"
    await expect(page.locator(".summary-line")).to_contain_text(isolated)
    await draw_map(page)
    # The numbers on the chairs are not Arabic digits.
    await expect(page.locator(".house .seat text").last).to_have_text("8")
    await expect(page.locator(".seat[data-seat]").last).to_have_attribute("aria-label", re.compile("8،"))
    # "US$" names the currency, so that its code does not follow.
    await expect(page.locator(".summary-total")).to_contain_text("US$")
    await expect(page.locator(".summary-total")).not_to_contain_text("USD")

    await page.goto(f"{site.url}/booking/{reference}")
    await expect(page.locator("#order-tickets")).to_contain_text(isolated)
    await expect(page.locator("dd [dir=auto]").filter(has_text="Sam (Rivera)")).to_be_visible()
    await expect(page.locator(".order-text")).to_contain_text("مطبوعًا")


async def test_the_name_of_a_passkey_stands_above_its_dates(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/sign-in", size=DESKTOP)
    await attach(page)
    await sign_in(inline_site, page, "passkey-in-arabic@example.org")
    await unfold(page)
    await add(page, "my phone")
    await page.get_by_label(words("language.label")).select_option("ar")
    await expect(page.locator("html")).to_have_attribute("dir", "rtl")
    text = page.get_by_text("my phone", exact=True)
    edges = [await each.evaluate(_TEXT_START) for each in (text, page.locator(".passkey-words .small"))]
    assert edges[0] == pytest.approx(edges[1], abs=2)


async def test_the_time_of_a_booking_follows_the_venue(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5", time_zone="Pacific/Kiritimati")
    answer = (await site.sell("GA", 1, "traveller")).json()
    page = await visit(f"{site.url}/booking/{answer['reference']}")
    shown = page.locator("dl div", has_text="Booked on").locator("dd")
    right = await page.evaluate(
        "(time) => new Date(time).toLocaleTimeString('en-US', "
        "{ timeZone: 'Pacific/Kiritimati', hour: 'numeric', minute: '2-digit' })",
        answer["bookings"][0]["createdAt"],
    )
    await expect(shown).to_contain_text(right)
    await expect(shown).to_contain_text(re.compile(r"[AP]M\s[A-Z]"))
