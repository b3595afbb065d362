"""The cards of a sold-out event: none of them looks chosen."""

import pytest
from playwright.async_api import expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

RIMS = """(cards) => cards.map((card) => {
    const style = getComputedStyle(card);
    return ["--rim", "--rim-ink", "--face"].map((name) => style.getPropertyValue(name)).join();
})"""


async def test_no_card_of_a_sold_out_event_looks_chosen(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=1,GA=1")
    page = await visit(site.event_url)
    await expect(page.locator(".tier[data-wanted=true]")).to_have_count(1)
    for tier in ("VIP", "GA"):
        assert (await site.sell(tier, 1)).status_code == 201
    await expect(page.locator(".all-gone")).to_contain_text(words("sale.sold_out.title"))
    rims = await page.locator(".tier").evaluate_all(RIMS)
    assert len(rims) == 2
    assert len(set(rims)) == 1, rims
