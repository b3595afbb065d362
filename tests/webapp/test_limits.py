"""The limits of a basket are those that the API states for the event and its tiers."""

import pytest
from playwright.async_api import expect

from api.commands.seed import TierPlan
from api.services.order_rules import OwnRules
from tests.webapp.appearance import check_page
from tests.webapp.site import TICKETS_MAX, MakeEvent
from tests.webapp.visitors import DESKTOP, OpenPage, add, open_event, remove
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
REMINDER = ".reminder[role=status]"
GA = TierPlan(name="GA", capacity=40, price_minor=1000, rules=OwnRules(tickets_max=3))


async def test_a_booking_has_as_many_tickets_as_the_event_allows(make_event: MakeEvent, visit: OpenPage) -> None:
    most = TICKETS_MAX + 2
    site = await make_event("GA=40", tickets_max=most)
    page = await open_event(site, visit, "group")
    await expect(page.get_by_text(words("quantity.limit", most=most))).to_be_visible()
    await add(page, most - 1)
    await expect(page.get_by_role("button", name=words("quantity.more", tier="GA"))).to_be_disabled()
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    await expect(page.locator("#order-total")).to_contain_text(f"${10 * most}")


async def test_a_tier_has_its_own_limit(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event((GA, TierPlan(name="Balcony", capacity=40, price_minor=2000)))
    page = await open_event(site, visit, size=DESKTOP)
    await add(page, 2, "GA")
    await expect(page.get_by_role("button", name=words("quantity.more", tier="GA"))).to_be_disabled()
    await expect(page.locator(".limits")).to_contain_text(words("tier.at_limit", most=3, tier="GA"))
    await add(page, 4, "Balcony")
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$110"))


async def test_the_limit_of_a_buyer_is_named_before_the_purchase(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=40", tickets_per_buyer=2)
    page = await open_event(site, visit)
    await expect(page.get_by_text(words("quantity.per_person", most=2))).to_be_visible()
    await add(page)
    await expect(page.get_by_role("button", name=words("quantity.more", tier="GA"))).to_be_disabled()


async def test_the_fewest_tickets_of_a_booking_are_named(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=40", tickets_min=2)
    page = await open_event(site, visit)
    await expect(page.get_by_text(words("quantity.range", fewest=2, most=TICKETS_MAX))).to_be_visible()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$20"))


async def test_a_basket_beyond_a_new_limit_is_kept_and_names_the_surplus(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=40,GA=100")
    page = await open_event(site, visit, "surplus", size=DESKTOP)
    await add(page, 4, "GA")
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$140"))
    await site.set_columns(tickets_max=3)
    # The API serves the former limit for up to a second.
    reminder = page.locator(REMINDER)
    while await reminder.text_content() == "":
        await page.reload()
        await expect(page.locator(".summary-line")).to_contain_text(words("summary.mixed", quantity=5))
    await expect(reminder).to_have_text(words("summary.surplus", most=3, surplus=2))
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await check_page(page, "basket-surplus")
    await remove(page, "GA")
    await expect(reminder).to_have_text(words("summary.surplus", most=3, surplus=1))
    await remove(page, "VIP")
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await expect(reminder).to_have_text("")
