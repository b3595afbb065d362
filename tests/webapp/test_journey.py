"""From the first sight of the page to the booking, in a real browser against the real system."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.webapp.conftest import OpenPage, StartSite, shot

SUBMIT = "button.submit"
REFERENCE = re.compile("bk_[a-z2-7]{26}")


async def _choose(page: Page, tier: str, quantity: int, user_id: str) -> None:
    await page.get_by_role("radio", name=re.compile(f"^{tier}")).check()
    for _ in range(quantity - 1):
        await page.get_by_role("button", name="One ticket more").click()
    await page.get_by_label("Your user id").fill(user_id)


async def test_a_stranger_books_two_seats_and_finds_them_again(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await open_page(site.url)

    await expect(page).to_have_title("Aurora Sessions at Harbour Hall: tickets")
    await expect(page.locator(".freshness")).to_have_text("Live")
    front_row = page.locator("[data-tier='Front Row']")
    await expect(front_row).to_contain_text("200 of 200 left")
    await expect(front_row).to_contain_text("$50")
    await shot(page, "event-live")

    await _choose(page, "Front Row", 2, "user-123")
    await expect(page.locator(SUBMIT)).to_have_text("Book 2 \u00d7 Front Row$100")
    await page.locator(SUBMIT).dblclick()

    await page.wait_for_url("**/booking/*")
    reference = page.url.rpartition("/")[2]
    assert REFERENCE.fullmatch(reference)
    await expect(page.get_by_role("heading", name="You\u2019re in.")).to_be_visible()
    await expect(page.locator("#reference")).to_have_text(reference)
    await expect(page.locator("#order-title")).to_have_text("2 \u00d7 Front Row")
    await expect(page.locator("#order-total")).to_have_text("$100")
    places = page.locator(".places .place")
    await expect(places).to_have_count(2)
    await expect(places.first).to_have_text(re.compile(r"Row \w+, seat \d+"))
    await shot(page, "booking-confirmed")
    # The double click booked once.
    assert await site.orders("user-123") == [(reference, "confirmed")]

    await page.reload()
    await expect(page.locator("#reference")).to_have_text(reference)

    await page.get_by_label("Site").get_by_role("link", name="My bookings").click()
    card = page.locator(".card")
    await expect(card).to_have_count(1)
    await expect(card).to_contain_text(reference)
    await expect(page.get_by_label("Your user id")).to_have_value("user-123")
    await shot(page, "my-bookings")
    await card.get_by_role("link").click()
    await expect(page.locator("#reference")).to_have_text(reference)

    # The next visit knows the user, and counts what is gone.
    later = await open_page(site.url, context=page.context)
    await expect(later.get_by_label("Your user id")).to_have_value("user-123")
    await expect(later.locator("[data-tier='Front Row']")).to_contain_text("198 of 200 left")


async def test_the_whole_journey_works_with_a_keyboard_alone(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await open_page(site.url)
    await expect(page.locator(".freshness")).to_have_text("Live")

    async def tab_to(name: str) -> None:
        focused = """() => {
            const element = document.activeElement;
            return element.ariaLabel ?? element.closest("label")?.innerText ?? element.innerText;
        }"""
        for _ in range(20):
            await page.keyboard.press("Tab")
            if name in await page.evaluate(focused):
                return
        pytest.fail(f"{name} cannot be reached")

    await tab_to("Skip to the content")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("radio", name=re.compile("^VIP"))).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await tab_to("One ticket more")
    await shot(page, "event-focus")
    await page.keyboard.press("Space")
    await tab_to("Your user id")
    await page.keyboard.type("keyboard-user")
    await tab_to("Book 2 \u00d7 GA")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/booking/*")
    await expect(page.locator(".places .place")).to_have_text(["Standing", "Standing"])


@pytest.mark.parametrize("mode", ["light", "dark"])
async def test_every_width_and_mode_fits(mode: str, start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    await site.sell("GA", 950)
    booked = (await site.sell("VIP", 2, "user-123")).json()["reference"]
    page = await open_page(site.url, dark=mode == "dark")
    await page.evaluate("localStorage.setItem('user-id', 'user-123')")
    for name, path, ready, widths in (
        ("event", "/", "[data-tier='GA'] .tier-words", (320, 390, 768, 1280)),
        ("booking", f"/booking/{booked}", "#reference", (320, 1280)),
        ("bookings", "/bookings", ".card", (320, 1280)),
    ):
        await page.goto(site.url + path)
        await page.locator(ready).wait_for()
        for width in widths:
            await page.set_viewport_size({"width": width, "height": 820})
            await shot(page, f"{name}-{width}-{mode}")


async def test_the_mode_can_be_switched_and_is_kept(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await open_page(site.url)
    background = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(background)
    await page.get_by_role("button", name="Switch between light and dark").click()
    await expect(page.locator("html")).to_have_class(re.compile("dark"))
    assert await page.evaluate(background) != light
    await page.reload()
    await expect(page.locator("html")).to_have_class(re.compile("dark"))


async def test_bookings_load_page_by_page_and_an_unknown_user_has_none(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site(env={"BOOKINGS_PER_MINUTE": "0"})
    for _ in range(21):
        await site.sell("GA", 1, "collector")
    page = await open_page(f"{site.url}/bookings")
    await page.get_by_label("Your user id").fill("collector")
    await page.get_by_role("button", name="Show bookings").click()
    await expect(page.locator(".card")).to_have_count(20)
    await page.get_by_role("button", name="Load more").click()
    await expect(page.locator(".card")).to_have_count(21)
    await expect(page.get_by_role("button", name="Load more")).to_have_count(0)

    await page.get_by_label("Your user id").fill("nobody")
    await page.get_by_role("button", name="Show bookings").click()
    await expect(page.get_by_text("No bookings yet.")).to_be_visible()
    await shot(page, "my-bookings-empty")


async def test_unknown_addresses_have_a_way_back(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await open_page(f"{site.url}/booking/bk_nothing")
    await expect(page.get_by_role("heading", name="No such booking")).to_be_visible()
    await shot(page, "booking-not-found")
    await page.get_by_role("link", name="Back to the tickets").click()
    await expect(page.locator(".freshness")).to_have_text("Live")
    await page.goto(f"{site.url}/no/such/page")
    await expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    await shot(page, "page-not-found")
