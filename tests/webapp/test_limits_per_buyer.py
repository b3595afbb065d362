"""A limit of all bookings of a buyer is named as such."""

import pytest
from playwright.async_api import expect

from api.commands.seed import TierPlan
from api.services.order_rules import OwnRules
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import DESKTOP, OpenPage, add, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

GA = TierPlan(name="GA", capacity=40, price_minor=1000, rules=OwnRules(tickets_per_buyer=2))
BALCONY = TierPlan(name="Balcony", capacity=40, price_minor=2000)


async def test_the_limits_of_a_buyer_are_not_those_of_a_booking(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event((GA, BALCONY), tickets_per_buyer=3)
    page = await open_event(site, visit, size=DESKTOP)
    limits, reminder = page.locator(".limits [role=status]"), page.locator(".reminder")
    await add(page, 1, "GA")
    await expect(limits).to_have_text(words("tier.at_limit.person", most=2, tier="GA"))
    await add(page, 1, "Balcony")
    await expect(limits).to_have_text(words("summary.at_limit.person", most=3))
    # The API serves the former limits for up to a second.
    await site.set_columns(tickets_per_buyer=2)
    while await reminder.text_content() == "":
        await page.reload()
        await expect(page.locator(".summary-line")).to_contain_text(words("summary.mixed", quantity=3))
    await expect(reminder).to_have_text(words("summary.surplus.person", most=2, surplus=1))
