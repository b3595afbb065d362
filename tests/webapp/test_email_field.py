"""The optional e-mail address of a purchase: it is checked, kept in the browser, and sent with the booking."""

import json
import re

import pytest
from playwright.async_api import Page, Request, expect

from tests.webapp.appearance import check_page
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import PHONE, OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
SIZES = ((320, 640), PHONE, (1440, 900))
ANN = "ann@example.org"


async def test_an_address_is_checked_kept_and_sent(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await open_event(site, visit, "mailed")
    bodies = _posted(page)
    field = page.get_by_label(words("email.label"))
    await field.fill("ann@")
    await page.locator(SUBMIT).click()
    await expect(field).to_have_accessible_name(re.compile(re.escape(words("email.invalid"))))
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_be_focused()
    await expect(page.locator(".summary .notice")).to_have_count(0)
    await check_page(page, "booking-email-invalid")
    assert bodies == []
    await field.fill(ANN)
    await expect(field).to_have_attribute("aria-invalid", "false")
    await page.reload()
    await expect(field).to_have_value(ANN)
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    assert [(body["email"], body["locale"]) for body in bodies] == [(ANN, "en")]
    again = await visit(site.event_url)
    await expect(again.get_by_label(words("email.label"))).to_have_value("")  # Another visitor.
    await page.goto(site.event_url)
    await expect(field).to_have_value(ANN)


async def test_a_purchase_needs_no_address(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await open_event(site, visit, "without address")
    bodies = _posted(page)
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    assert [body.keys() & {"email", "locale"} for body in bodies] == [set()]


@pytest.mark.parametrize(("locale", "language"), [("de-DE", "de"), ("ar-EG", "ar")])
async def test_the_field_fits_in_every_language(
    locale: str, language: str, make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("GA=5")
    page = await visit(site.event_url, locale=locale)
    field = page.get_by_label(words("email.label", language))
    await expect(field).to_be_visible()
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        is_within = await field.evaluate(
            """(input) => {
                const { left, right } = input.getBoundingClientRect();
                return left >= 0 && right <= innerWidth && document.documentElement.scrollWidth <= innerWidth;
            }"""
        )
        assert is_within, (language, width)
        assert await field.evaluate("(input) => getComputedStyle(input).height") == "48px"
        is_beside_the_name = await field.evaluate(
            """(input) => {
                const name = document.querySelector('input[name="user_id"]');
                return name.getBoundingClientRect().top === input.getBoundingClientRect().top;
            }"""
        )
        assert is_beside_the_name == (width == 1440), (language, width)


def _posted(page: Page) -> list[dict[str, str]]:
    """Return the bodies of all further bookings."""
    bodies: list[dict[str, str]] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            bodies.append(json.loads(request.post_data or ""))

    page.on("request", note)
    return bodies
