"""The summary on small screens, and the names of its controls."""

import pytest
from playwright.async_api import expect

from tests.webapp.appearance import check_page
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, add, draw_map, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUSE = "VIP=40,Front Row=40,GA=100"


@pytest.mark.parametrize("size", [(844, 390), (320, 568)])
async def test_the_summary_leaves_room_for_the_page(
    size: tuple[int, int], make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "reader", size=size)
    await draw_map(page)
    await add(page, 1, "VIP")
    await add(page, 2, "Front Row")
    others = page.locator(".best-seats summary")
    await expect(others).to_have_count(2)
    for summary in await others.all():
        await summary.click()
    heights = await page.evaluate("[document.querySelector('.summary').offsetHeight, innerHeight]")
    assert heights[0] <= 0.65 * heights[1], heights
    await expect(page.locator("button.submit")).to_be_in_viewport(ratio=1)
    await check_page(page, f"summary-{size[0]}")


async def test_controls_name_what_they_change(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "reader", size=(1280, 800))
    await draw_map(page)
    await add(page, 1, "VIP")
    await expect(page.locator("button.best")).to_have_text(
        f"{words('seats.best')}: {words('summary.tickets', quantity=2, tier='VIP')}"
    )
    # The only entry of the basket cannot be removed, so it has no button for that. The line of the total names it.
    remove = page.locator(".picks button")
    await expect(page.locator(".picks li")).to_have_count(0)
    await expect(page.locator(".summary-line")).to_contain_text(words("summary.tickets", quantity=2, tier="VIP"))
    await expect(remove).to_have_count(0)
    await add(page, 1, "GA")
    await expect(remove).to_have_count(2)
