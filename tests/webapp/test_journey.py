"""From the first page to the booking, in a real browser with a real system."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.webapp.appearance import check_page
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import DESKTOP, OpenPage, add, tickets_left
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
REFERENCE = re.compile("bk_[a-z2-7]{26}")
HOUSE = "VIP=20,Front Row=40,GA=100"


async def test_a_stranger_books_two_seats_and_finds_them_again(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE, name="The Stranger")
    page = await visit(site.url)
    await page.get_by_role("link", name="The Stranger").click()
    await page.wait_for_url(site.event_url)
    front_row = page.locator(".tier[data-tier='Front Row']")
    await expect(tickets_left(page, "Front Row")).to_contain_text(words("tier.left", left=40, total=40))
    await expect(front_row).to_contain_text("$50")

    await add(page, 2, "Front Row")
    await page.get_by_label(words("user.label")).fill("wanderer")
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$100"))
    await page.locator(SUBMIT).dblclick()

    await page.wait_for_url("**/booking/*")
    reference = page.url.rpartition("/")[2]
    assert REFERENCE.fullmatch(reference)
    await expect(page.locator("#reference")).to_have_text(reference)
    # The double click booked once.
    assert await site.orders("wanderer") == [(reference, "confirmed")]

    await page.get_by_label(words("nav.label")).get_by_role("link", name=words("nav.bookings")).click()
    await expect(page.get_by_label(words("user.label"))).to_have_value("wanderer")
    await page.get_by_role("main").get_by_role("link", name=re.compile("The Stranger")).first.click()
    await expect(page.locator("#reference")).to_have_text(reference)

    # The next visit has the user's name and the new counts.
    later = await visit(site.event_url, context=page.context)
    await expect(later.get_by_label(words("user.label"))).to_have_value("wanderer")
    await expect(tickets_left(later, "Front Row")).to_contain_text(words("tier.left", left=38, total=40))


async def test_the_whole_journey_works_with_a_keyboard_alone(make_event: MakeEvent, visit: OpenPage) -> None:
    # An early date puts the event on the first screen of the list, so the page does not scroll past the map.
    site = await make_event(HOUSE, name="Keys Only", starts_at=datetime.now(UTC) + timedelta(days=2))
    page = await visit(site.url, size=DESKTOP)
    await expect(page.get_by_role("link", name="Keys Only")).to_be_visible()

    await _tab_to(page, words("skip"))
    await page.keyboard.press("Enter")
    await _tab_to(page, "Keys Only")
    await page.keyboard.press("Enter")
    await page.wait_for_url(site.event_url)
    await expect(page.locator(".plan")).to_be_visible()
    # A map far from the viewport renders nothing.
    await expect(page.locator(".house")).to_have_count(0)

    front_row = page.locator(".tier[data-tier='Front Row']")
    await _tab_to(page, words("quantity.more", tier="Front Row"))
    await page.keyboard.press("Enter")
    await expect(front_row).to_have_attribute("data-wanted", "true")
    await page.keyboard.press("Enter")
    await expect(front_row.locator("output")).to_have_text("2")
    await _tab_to(page, words("quantity.fewer", tier="Front Row"), "Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(front_row.locator("output")).to_have_text("1")
    await _tab_to(page, words("user.label"))
    await page.keyboard.type("keyboard-user")
    await _tab_to(page, "VIP, row A, seat 1, ")
    await check_page(page, "event-focus")
    for key in ("ArrowDown", "ArrowRight", "Space", "ArrowRight", "Space"):
        await page.keyboard.press(key)
    await _tab_to(page, words("book.button", total="$100"))
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/booking/*")
    await expect(page.get_by_text(words("seat.name", row="B", number=2)).first).to_be_visible()
    await expect(page.get_by_text(words("seat.name", row="B", number=3)).first).to_be_visible()

    await _tab_to(page, words("booking.cancel"))
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    # The dialog keeps the focus until it is closed.
    assert await page.evaluate("document.activeElement.closest('dialog') !== null")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)


# Compare the focused element's style with and without focus. A seat shows focus by its circle, a tier's button by the
# ticket around it. The style with focus must return when the focus does.
_LOOKS_WITH_AND_WITHOUT_FOCUS = """() => {
    const names = ["outline", "box-shadow", "stroke", "stroke-width", "--rim"];
    const element = document.activeElement;
    const seen = [element, element.querySelector("circle"), element.closest(".tier")].filter(Boolean);
    const look = () => seen
        .map((each) => getComputedStyle(each))
        .map((style) => names.map((name) => style.getPropertyValue(name)))
        .join();
    const focused = look();
    element.blur();
    const differs = look() !== focused;
    element.focus();
    return [differs, look() === focused];
}"""


async def _tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab (or another key) until the focused element has this name; check that it shows its focus."""
    focused = """() => {
        const element = document.activeElement;
        return element.ariaLabel ?? element.closest("label")?.innerText ?? element.innerText;
    }"""
    seen = []
    for _ in range(40):
        await page.keyboard.press(key)
        seen.append(await page.evaluate(focused))
        if name in seen[-1]:
            assert await page.evaluate(_LOOKS_WITH_AND_WITHOUT_FOCUS) == [True, True], f"{name} does not show its focus"
            return
    pytest.fail(f"{name} cannot be reached; reached were {seen}")


async def test_the_chosen_colour_mode_is_kept(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(inline_site.url)
    background = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(background)
    await page.get_by_role("button", name=words("mode.switch")).click()
    await expect(page.locator("html")).to_have_class(re.compile("dark"))
    assert await page.evaluate(background) != light
    await page.reload()
    await expect(page.locator("html")).to_have_class(re.compile("dark"))
