"""Every card of "My bookings" has the same layout on a phone, whatever the length of its texts."""

import pytest
from playwright.async_api import expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINES = ("totalBesideStatus", "ticketsBelow", "cancelBesideShow")

# For each card: whether its parts are on the right lines, and the distances of some of them from its edges.
_LAYOUT = """(cards) => cards.map((card) => {
    const box = (selector) => card.querySelector(selector).getBoundingClientRect();
    const middle = ({ top, bottom }) => (top + bottom) / 2;
    const [whole, status, total] = [card.getBoundingClientRect(), box(".status"), box(".booking-total")];
    const [show, cancel, tickets] = [box(".booking-show"), box(".cancel"), box(".booking-tickets")];
    return {
        totalBesideStatus: Math.abs(middle(total) - middle(status)) < 4,
        ticketsBelow: tickets.top >= status.bottom && tickets.bottom <= show.top,
        cancelBesideShow: Math.abs(middle(cancel) - middle(show)) < 4 && cancel.left >= show.right,
        total: Math.round(whole.right - total.right),
        show: [Math.round(show.left - whole.left), Math.round(whole.bottom - show.bottom)],
    };
})"""


async def test_each_card_has_the_same_layout_on_a_phone(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=20,A ticket type with a long name=20")
    for tier, quantity in (("GA", 1), ("A ticket type with a long name", 10), ("GA", 10)):
        assert (await site.sell(tier, quantity, "owner of three cards")).status_code == 201
    page = await visit(f"{site.url}/bookings")
    await page.get_by_label(words("user.label")).fill("owner of three cards")
    await page.get_by_role("button", name=words("bookings.show")).click()
    cards = page.locator(".booking")
    await expect(cards.locator(".booking-show")).to_have_count(3)
    for width in (320, 390):
        await page.set_viewport_size({"width": width, "height": 640})
        first, *others = await cards.evaluate_all(_LAYOUT)
        assert [first[name] for name in LINES] == [True, True, True], (width, first)
        assert others == [first, first], (width, first, others)
