"""The codes of an order on the full screen, with keys, buttons and swipes."""

import re

import pytest
from playwright.async_api import expect

from tests.webapp.appearance import check_page
from tests.webapp.order_page import codes_on, expect_codes, sell_order, visit_order
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words

SCANNED_PX_MIN = 150
"""The smallest height of a code in CSS pixels, which is four centimetres on a phone."""

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_each_code_fills_the_screen(make_event: MakeEvent, visit: OpenPage, language: str) -> None:
    site = await make_event("GA=5")
    reference = await sell_order(site, "GA", 3)
    page = await visit(f"{site.url}/booking/{reference}", locale=language)
    await expect(page.locator(".pass-code img")).to_have_count(3)
    opener = page.get_by_role("button", name=re.compile(re.escape(words("booking.full_screen", language)))).nth(1)
    await opener.click()
    dialog = page.get_by_role("dialog")
    images = dialog.get_by_role("img")
    await expect(images).to_have_count(3)
    await expect(images.nth(1)).to_be_in_viewport(ratio=0.99)
    await expect(images.nth(0)).not_to_be_in_viewport()

    towards_next, towards_last = ("ArrowRight", "ArrowLeft") if language == "en" else ("ArrowLeft", "ArrowRight")
    await page.keyboard.press(towards_next)
    await expect(images.nth(2)).to_be_in_viewport(ratio=0.99)
    await page.keyboard.press(towards_last)
    await expect(images.nth(1)).to_be_in_viewport(ratio=0.99)
    await dialog.get_by_role("button", name=words("codes.previous", language)).click()
    await expect(images.nth(0)).to_be_in_viewport(ratio=0.99)
    sign = 1 if language == "en" else -1
    await page.locator("#codes-strip").evaluate(
        f"(strip) => strip.scrollBy({{ left: {2 * sign} * strip.clientWidth }})"
    )
    await expect(images.nth(2)).to_be_in_viewport(ratio=0.99)
    await expect(dialog.get_by_role("button", name=words("codes.next", language))).to_have_attribute(
        "aria-disabled", "true"
    )
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(opener).to_be_focused()


# A phone on its side, a small one upright, and a laptop at a zoom of 200 %.
@pytest.mark.parametrize("size", [(844, 390), (568, 320), (320, 480), (720, 450)])
async def test_code_and_seat_fit_on_a_low_screen(make_event: MakeEvent, visit: OpenPage, size: tuple[int, int]) -> None:
    site = await make_event("VIP=5")
    reference = await sell_order(site)
    page = await visit(f"{site.url}/booking/{reference}", size=size)
    await expect_codes(page, 2)
    await page.get_by_role("button", name=re.compile(words("booking.full_screen"))).first.click()
    slide = page.locator(".code-slide").first
    await expect(slide.get_by_role("img")).to_be_in_viewport(ratio=0.99)
    for text in (slide.locator(".place"), slide.get_by_text("VIP", exact=True)):
        await expect(text).to_be_in_viewport(ratio=0.99)
    box = await slide.get_by_role("img").bounding_box()
    assert box is not None
    assert box["width"] == pytest.approx(box["height"], abs=1)
    # A scanner reads the code from half an arm's length.
    assert box["height"] >= SCANNED_PX_MIN


async def test_the_full_screen_is_accessible_and_announces_the_ticket(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    page = await visit_order(visit, site, await sell_order(site))
    await expect_codes(page, 2)
    await page.get_by_role("button", name=re.compile(words("booking.full_screen"))).first.click()
    status = page.get_by_role("dialog").get_by_role("status")
    await expect(status).to_have_text(words("booking.pass", line="1", of="2"))
    await check_page(page, "order-full-screen")
    await page.get_by_role("button", name=words("codes.next")).click()
    await expect(status).to_have_text(words("booking.pass", line="2", of="2"))
    await page.get_by_role("button", name=words("codes.close")).click()
    await expect(codes_on(page)).to_have_count(2)
