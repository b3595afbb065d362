"""`check_page` finds faults and leaves the page unchanged. Shared systems and visitors are independent."""

import operator
import re
import time
from functools import partial

import pytest
from playwright.async_api import Page, expect

from tests.waiting import read_until
from tests.webapp.appearance import check_page
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import PHONE, Kind, OpenPage, Visitors

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOCKS_DIFFER_S = 5
"""The longest difference between this process's clock and a page's own clock, which shows the same time."""


async def _missing_page(visit: OpenPage, site: Site) -> Page:
    page = await visit(f"{site.url}/no/such/page")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


async def test_a_sound_page_passes_and_is_left_as_it_was(inline_site: Site, visit: OpenPage) -> None:
    page = await _missing_page(visit, inline_site)
    await check_page(page, "missing")
    assert page.viewport_size == {"width": PHONE[0], "height": PHONE[1]}
    await expect(page.locator("html")).to_have_class(re.compile("light"))


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("<img src='/favicon.svg'>", "image-alt: "),
        ("<button style='width: 12px; height: 12px'>x</button>" * 2, "target-size: "),
        ("<p style='color: light-dark(black, #333)'>Hidden in the dark</p>", r"\(dark, desktop\): color-contrast: "),
        ("<p style='width: 350px'>wide</p>", "at 320 px the page is"),
    ],
)
async def test_faults_are_found(fault: str, finding: str, inline_site: Site, visit: OpenPage) -> None:
    page = await _missing_page(visit, inline_site)
    await page.evaluate("(fault) => document.querySelector('main').insertAdjacentHTML('afterbegin', fault)", fault)
    with pytest.raises(AssertionError, match=finding):
        await check_page(page, "fault")


async def test_a_new_visitor_remembers_nothing_of_an_earlier_one(inline_site: Site, visitors: Visitors) -> None:
    for _ in range(2):
        async with visitors.visitor() as context:
            page = await context.new_page()
            await page.goto(inline_site.url)
            assert await page.evaluate("localStorage.getItem('user-id')") is None
            await page.evaluate("localStorage.setItem('user-id', 'somebody')")


async def test_a_new_visitor_has_the_present_time_and_a_network(inline_site: Site, visitors: Visitors) -> None:
    for _ in range(2):
        async with visitors.visitor(Kind(own_clock=True)) as context:
            page = await context.new_page()
            await page.goto(inline_site.url)
            assert await page.evaluate("navigator.onLine")
            earliest, shown, latest = time.time(), await page.evaluate("Date.now() / 1000"), time.time()
            assert earliest - CLOCKS_DIFFER_S < shown < latest + CLOCKS_DIFFER_S
            await read_until(partial(page.evaluate, "Date.now() / 1000"), partial(operator.lt, shown))
            await page.clock.fast_forward(2_000 * CLOCKS_DIFFER_S)
            await page.clock.set_fixed_time("2028-01-01T00:00:00Z")
            await context.set_offline(offline=True)


async def test_a_visitor_with_a_changed_clock_is_not_used_again(inline_site: Site, visitors: Visitors) -> None:
    context = await visitors.take(Kind())
    page = await context.new_page()
    await page.goto(inline_site.url)
    await page.clock.set_fixed_time("2028-01-01T00:00:00Z")
    with pytest.raises(AssertionError, match="own_clock"):
        await visitors.release(context, Kind())
    async with visitors.visitor() as other:
        assert other is not context
    await context.close()


async def test_each_event_of_a_shared_system_is_sold_by_itself(make_event: MakeEvent) -> None:
    one, other = await make_event("VIP=2"), await make_event("VIP=2", name="Another")
    assert (await one.sell("VIP", 2)).status_code == 201
    assert (await one.sell("VIP", 1)).status_code == 409
    assert (await other.sell("VIP", 1)).status_code == 201


async def test_an_order_of_a_shared_system_is_paid_through_the_provider(make_async_event: MakeEvent) -> None:
    site = await make_async_event("GA=5")
    response = await site.sell("GA", 1, "payer")
    assert response.status_code == 202
    await site.until_settled(response.json()["reference"])
    assert [status for _, status in await site.orders("payer")] == ["confirmed"]
