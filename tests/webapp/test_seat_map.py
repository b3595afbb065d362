"""Seats are picked with the mouse, with the keyboard, from the list, and by the page for a quantity."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from api.commands.seed import TierPlan
from tests.webapp import chips
from tests.webapp.appearance import check_page, shot, take_picture, violations
from tests.webapp.chips import CHIPS
from tests.webapp.site import READS, MakeEvent, Site
from tests.webapp.visitors import (
    DESKTOP,
    PHONE,
    STALE_AFTER_MS,
    OpenPage,
    add,
    choose,
    keep_entering,
    open_event,
    remove,
)
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
HOUSE = "VIP=40,Front Row=40,GA=100"
SEAT = pattern("basket.seat", tier="VIP", row=r"(\w+)", number=r"(\d+)")
MOVES = 8
"""Number of steps of a finger's movement."""
LARGE = (TierPlan(name="Stalls", capacity=1000, price_minor=4_000, seats_per_row=40),)


async def _open_map(
    site: Site, visit: OpenPage, size: tuple[int, int] = DESKTOP, user_id: str = "user-1", *, own_clock: bool = False
) -> Page:
    page = await open_event(site, visit, user_id, size=size, own_clock=own_clock)
    await page.locator(".plan").scroll_into_view_if_needed()
    await expect(page.locator(".house .seat").first).to_be_visible()
    return page


def _seat(page: Page, tier: str, row: str, number: int) -> Locator:
    """Return a seat of the drawing."""
    return page.locator(".house").get_by_role("checkbox", name=re.compile(f"^{tier}, row {row}, seat {number}, "))


async def _picks(page: Page) -> list[str]:
    return await page.locator(CHIPS).all_text_contents()


def _parse(text: str) -> tuple[str, int]:
    """Return the row and the number of a seat that its chip contains."""
    match = SEAT.match(text)
    assert match
    return match[1], int(match[2])


async def _ticket_ids(site: Site, tier: str) -> dict[tuple[str, int], int]:
    async with site.connect() as http:
        tickets = (await http.get("/api/tickets", params={"event": site.event, "tier": tier})).json()
    return {(ticket["row"], ticket["seat"]): ticket["id"] for ticket in tickets}


async def _take(site: Site, tier: str, *ticket_ids: int) -> None:
    """Book these seats through the API, as another buyer."""
    response = await site.sell(tier, len(ticket_ids), ticket_ids=ticket_ids)
    assert response.status_code == 201, response.text


async def test_picked_seats_are_booked(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await _open_map(site, visit)
    await _seat(page, "VIP", "A", 7).click()
    await _seat(page, "VIP", "B", 3).click()
    assert await _picks(page) == [chips.seat("VIP", "A", 7), chips.seat("VIP", "B", 3)]
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$200"))
    await check_page(page, "seats-picked")
    # A seat of another tier joins them, and the total adds up.
    await _seat(page, "Front Row", "C", 1).click()
    assert await _picks(page) == [
        chips.seat("VIP", "A", 7),
        chips.seat("VIP", "B", 3),
        chips.seat("Front Row", "C", 1),
    ]
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$250"))
    for tier, row, number in (("Front Row", "C", 1), ("VIP", "B", 3), ("VIP", "A", 7)):
        await _seat(page, tier, row, number).click()
    assert await _picks(page) == []
    await _seat(page, "VIP", "A", 7).click()
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    await expect(page.get_by_text(words("seat.name", row="A", number=7)).first).to_be_visible()
    # Back at the event the page shows the seats as the buyer's own, and not as lost.
    await page.go_back()
    await expect(_seat(page, "VIP", "A", 7)).to_have_attribute("aria-disabled", "true")
    assert await _picks(page) == []
    await expect(page.locator(".map .notice")).to_have_count(0)


async def test_the_keyboard_moves_between_seats_and_picks_them(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await _open_map(site, visit)
    await page.get_by_role("button", name=words("seats.best")).focus()
    await page.keyboard.press("Tab")  # the user id
    await page.keyboard.press("Tab")  # the e-mail address
    await page.keyboard.press("Tab")  # one seat of the map, however many there are
    await expect(_seat(page, "VIP", "A", 1)).to_be_focused()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Space", "End", "Enter", "ArrowDown"):
        await page.keyboard.press(key)
    assert await _picks(page) == [chips.seat("VIP", "B", 3), chips.seat("VIP", "B", 20)]
    await expect(_seat(page, "Front Row", "C", 20)).to_be_focused()
    await check_page(page, "seats-keyboard")
    # The next tab stop is after the map, not another seat.
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('.house')") is None


async def test_the_list_has_the_same_seats(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=20")
    await _take(site, "VIP", (await _ticket_ids(site, "VIP"))["A", 2])
    page = await _open_map(site, visit)
    await page.get_by_role("button", name=words("map.list_open")).click()
    row = page.get_by_role("group", name=words("map.row", tier="VIP", row="A"))
    await expect(row.get_by_role("checkbox")).to_have_count(20)
    await expect(row.get_by_role("checkbox", name="2", exact=True)).to_be_disabled()
    await row.get_by_role("checkbox", name="5", exact=True).check()
    assert await _picks(page) == [chips.seat("VIP", "A", 5)]
    await expect(_seat(page, "VIP", "A", 5)).to_have_attribute("aria-checked", "true")
    await check_page(page, "seats-list")


async def test_best_available_picks_neighbours_near_the_stage(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    ids = await _ticket_ids(site, "VIP")
    # The middle of the first row has only single seats left.
    await _take(site, "VIP", *(ids["A", number] for number in range(4, 20, 2)))
    page = await _open_map(site, visit)
    await add(page, 3)
    await page.get_by_role("button", name=words("seats.best")).click()
    await expect(page.locator(CHIPS)).to_have_count(4)
    seats = [_parse(text) for text in await _picks(page)]
    assert len({row for row, _ in seats}) == 1
    _, first = seats[0]
    assert [number for _, number in seats] == list(range(first, first + 4))
    # The page adds the nearest seat, and removes the last one added.
    await add(page)
    assert len(await _picks(page)) == 5
    await remove(page, "VIP")
    assert len(await _picks(page)) == 4
    await check_page(page, "seats-best")


async def test_a_lost_seat_is_named_and_the_nearest_seats_are_offered(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await _open_map(site, visit)
    await _seat(page, "VIP", "A", 7).click()
    await _take(site, "VIP", (await _ticket_ids(site, "VIP"))["A", 7])
    lost = page.get_by_role("status").filter(has_text=words("map.lost", row="A", number=7))
    await expect(lost).to_be_visible()
    await expect(_seat(page, "VIP", "A", 7)).to_have_attribute("aria-disabled", "true")
    # The page replaces the seat only after the buyer's confirmation.
    await expect(page.locator(".summary")).to_contain_text(words("map.lost", row="A", number=7))
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await check_page(page, "seat-lost")
    await lost.get_by_role("button").first.click()
    assert await _picks(page) in ([chips.seat("VIP", "A", 6)], [chips.seat("VIP", "A", 8)])
    await expect(lost).to_have_count(0)
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_a_lost_seat_is_replaced_beside_the_other_pick(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await _open_map(site, visit)
    for number in (6, 7):
        await _seat(page, "VIP", "A", number).click()
    ids = await _ticket_ids(site, "VIP")
    await _take(site, "VIP", ids["A", 6])
    await expect(page.locator(".map .notice")).to_contain_text(words("map.lost", row="A", number=6))
    await page.locator(".map .notice button").first.click()
    assert await _picks(page) == [chips.seat("VIP", "A", 7), chips.seat("VIP", "A", 8)]
    await _take(site, "VIP", ids["A", 7], ids["A", 8])
    await expect(page.locator(".map .notice .notice-title li")).to_have_count(2)
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await page.get_by_role("button", name=words("summary.any_seats")).click()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$200"))
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_after_a_loss_fewer_seats_need_a_decision_of_the_buyer(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await _open_map(site, visit)
    for number in (6, 7, 8, 9):
        await _seat(page, "VIP", "A", number).click()
    ids = await _ticket_ids(site, "VIP")
    await _take(site, "VIP", ids["A", 6], ids["A", 7])
    lost = page.locator(".map .notice .notice-title li")
    await expect(lost).to_have_count(2)
    # Each picked seat replaces a lost one.
    await page.locator(".map .notice button").first.click()
    await expect(lost).to_have_count(1)
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await page.locator(".map .notice button").first.click()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$400"))
    # The number of best seats is the wanted quantity.
    await _take(site, "VIP", ids["A", 8])
    await expect(lost).to_have_count(1)
    await page.get_by_role("button", name=words("seats.best")).click()
    await expect(page.locator(CHIPS)).to_have_count(4)
    taken = await _picks(page)
    await _take(site, "VIP", ids[_parse(taken[0])])
    await page.get_by_role("button", name=words("summary.keep_rest", quantity=3)).click()
    assert await _picks(page) == taken[1:]
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$300"))
    await page.get_by_role("button", name=words("summary.clear")).click()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$300"))
    for seat in taken[1:]:
        await _seat(page, "VIP", *_parse(seat)).click()
    # After the buyer removes all of them, the quantity is no longer three.
    for seat in taken[1:]:
        await _seat(page, "VIP", *_parse(seat)).click()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$100"))


async def test_seats_in_the_address_are_picked_once(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    ids = await _ticket_ids(site, "VIP")
    address = f"{site.event_url}?seats={ids['A', 7]},{ids['A', 8]}"
    page = await visit(address)
    await expect(page.locator(CHIPS)).to_have_text([chips.seat("VIP", "A", 7), chips.seat("VIP", "A", 8)])
    await page.get_by_label(words("user.label")).fill("asked-for")
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    # After a step back the seats are the buyer's and not reported as lost.
    await page.go_back()
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await expect(page.locator(".summary-lost, .picks")).to_have_count(0)
    # After the loss of both, the page chooses the same number of others. This browser has booked both.
    await page.goto(address)
    await expect(page.locator(".summary-lost p")).to_have_text(
        [words("map.lost_own", row="A", number=7), words("map.lost_own", row="A", number=8)]
    )
    await page.get_by_role("button", name=words("summary.any_seats")).click()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$200"))
    # A second press of the same key must not book.
    await expect(page.get_by_role("button", name=words("seats.best"))).to_be_focused()
    # A reduced quantity stays reduced after the loss of both seats.
    await page.goto(address)
    await expect(page.locator(".summary-lost p")).to_have_count(2)
    await remove(page, "VIP")
    await page.get_by_role("button", name=words("summary.any_seats")).click()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$100"))


async def test_a_seat_taken_while_booking_is_named_and_nothing_is_booked(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await _open_map(site, visit, user_id="outrun")
    for number in (7, 8):
        await _seat(page, "VIP", "A", number).click()
    # The page must not receive the new states before the click.
    site.network.hold(READS)
    await _take(site, "VIP", (await _ticket_ids(site, "VIP"))["A", 7])
    await page.locator(SUBMIT).click()
    await expect(page.locator(".map .notice")).to_contain_text(words("map.lost", row="A", number=7))
    await expect(page.locator(".summary")).to_contain_text(words("map.lost", row="A", number=7))
    await expect(page.locator(".summary")).to_contain_text(words("checkout.seat_taken.text"))
    await expect(page.locator(SUBMIT)).to_have_count(0)
    # The focused button disappears, so the focus moves to the next action.
    await expect(page.locator(".map .notice button").first).to_be_focused()
    assert await _picks(page) == [chips.seat("VIP", "A", 8)]
    await check_page(page, "booking-seat-taken")
    site.network.release()
    assert await site.orders("outrun") == []


async def test_a_phone_can_zoom_out_to_the_whole_map(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(LARGE)
    page = await _open_map(site, visit, PHONE)
    plan = page.locator(".plan")
    wider = "(plan) => plan.scrollWidth - plan.clientWidth"
    assert await plan.evaluate(wider) > 0
    farther = page.get_by_role("button", name=words("map.farther"))
    await farther.click()
    await expect(farther).to_be_disabled()
    assert await plan.evaluate(wider) == 0
    # Two fingers cannot zoom out beyond the whole house.
    box = await plan.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await _drag(page, ((x - 150, y), (x - 25, y)), ((x + 150, y), (x + 25, y)))
    await expect(farther).to_be_disabled()
    assert await plan.evaluate(wider) == 0
    await take_picture(plan, "seats-whole")
    await page.get_by_role("button", name=words("map.closer")).click()
    assert await plan.evaluate(wider) > 0


async def test_a_phone_zooms_in_and_pans(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await _open_map(site, visit, PHONE)
    before = await page.locator(".house .seat").first.bounding_box()
    await page.locator(".plan").evaluate("(plan) => plan.scrollBy(8, 0)")
    middle = await _seat_in_the_middle(page)
    await page.get_by_role("button", name=words("map.closer")).click()
    after = await page.locator(".house .seat").first.bounding_box()
    assert await _seat_in_the_middle(page) == middle
    assert before is not None
    assert after is not None
    # A seat is large enough for a finger, and larger after zooming in.
    assert before["width"] >= 20
    assert after["width"] > before["width"] * 1.2
    assert await page.evaluate(
        """() => {
            const plan = document.querySelector(".plan");
            return plan.scrollWidth > plan.clientWidth;
        }"""
    )
    await check_page(page, "seats-closer")


async def test_two_fingers_zoom_and_one_finger_pans(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await _open_map(site, visit, PHONE)
    box = await page.locator(".plan").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    near, far = ((x - 25, y), (x + 25, y)), ((x - 150, y), (x + 150, y))
    closer, farther = (page.get_by_role("button", name=name) for name in (words("map.closer"), words("map.farther")))

    await _drag(page, *zip(near, far, strict=True))
    await expect(closer).to_be_disabled()
    left = await page.locator(".plan").evaluate("(plan) => plan.scrollLeft")
    await _drag(page, ((x + 100, y), (x - 100, y)))
    assert await page.locator(".plan").evaluate("(plan) => plan.scrollLeft") > left + 100
    await _drag(page, *zip(far, near, strict=True))
    await expect(farther).to_be_disabled()
    # Only the map is zoomed, and the gesture picked no seat.
    assert await page.evaluate("visualViewport.scale") == 1
    assert await _picks(page) == []


async def _drag(page: Page, *ways: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """Move several fingers at once, each along its own path."""
    touch = await page.context.new_cdp_session(page)
    for move in range(MOVES + 1):
        at = [[a + (b - a) * move / MOVES for a, b in zip(start, end, strict=True)] for start, end in ways]
        fingers = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(at)]
        kind = "touchMove" if move else "touchStart"
        await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    await touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await touch.detach()


async def _seat_in_the_middle(page: Page) -> str:
    """Return the id of the seat nearest to the middle of the plan's visible part."""
    seat: str = await page.evaluate(
        """() => {
            const middle = (element) => {
                const { x, y, width, height } = element.getBoundingClientRect();
                return [x + width / 2, y + height / 2];
            };
            const [x, y] = middle(document.querySelector(".plan"));
            const distance = (seat) => Math.hypot(middle(seat)[0] - x, middle(seat)[1] - y);
            const seats = [...document.querySelectorAll(".house .seat")];
            return seats.reduce((best, seat) => (distance(seat) < distance(best) ? seat : best)).dataset.seat;
        }"""
    )
    return seat


async def test_without_the_map_seats_are_booked_and_old_seats_are_not_live(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await visit("about:blank", own_clock=True)
    await page.route("**/api/tickets/states*", lambda route: route.abort())
    await page.goto(site.event_url)
    await choose(page, "VIP")
    await expect(page.get_by_text(words("map.away"))).to_be_visible()
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await check_page(page, "seats-away")
    await page.unroute("**/api/tickets/states*")
    await expect(page.locator(".map")).to_be_visible()
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    # The page still receives counts.
    await page.route("**/api/tickets/states*", lambda route: route.abort())
    await page.clock.fast_forward(STALE_AFTER_MS)
    await expect(page.locator(".freshness")).to_have_attribute("data-phase", "stale")
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await page.unroute("**/api/tickets/states*")
    await keep_entering(page)
    await expect(page.locator(SUBMIT)).to_be_enabled()


# A redrawn seat writes its number again, even if nothing changes.
_COUNT_NUMBERS = """
    const { get } = Object.getOwnPropertyDescriptor(Intl.NumberFormat.prototype, "format");
    globalThis.numbersWritten = 0;
    Object.defineProperty(Intl.NumberFormat.prototype, "format", {
        get() { globalThis.numbersWritten += 1; return get.call(this); },
    });
"""


async def test_a_pick_among_a_thousand_seats_draws_one_seat(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(LARGE)
    page = await _open_map(site, visit, own_clock=True)
    await expect(page.locator(".house .seat")).to_have_count(1000)
    # Other tests check the rest of the page, with fewer seats.
    await shot(page, "seats-thousand")
    assert await violations(page) == []
    await expect(page.locator(".house .seat[data-state=offered]")).to_have_count(1)
    await page.evaluate(_COUNT_NUMBERS)
    # The pick shows in the same task, before any response could arrive.
    changed = await page.evaluate(
        """async () => {
            const changed = new Set();
            const watch = new MutationObserver((changes) => changes.forEach(({ target }) => changed.add(target)));
            watch.observe(document.querySelector(".house"), { attributes: true, childList: true, subtree: true });
            const seat = document.querySelectorAll(".house .seat")[500];
            seat.dispatchEvent(new MouseEvent("click", { bubbles: true }));
            await Promise.resolve();
            const shown = seat.dataset.state;
            watch.takeRecords().forEach(({ target }) => changed.add(target));
            watch.disconnect();
            return [shown, changed.size];
        }"""
    )
    # Three seats render again: the picked one, the one that had the focus, and the one that the page had suggested.
    assert changed == ["mine", 3]
    assert await page.evaluate("numbersWritten") < 50
    # The clock ticks, and polls return unchanged states.
    for poll in range(3):
        async with page.expect_response(re.compile("/tickets/states")):
            await page.clock.run_for(2_000)
        if poll == 0:
            # Drawing that began before the pick may end after it.
            await page.evaluate("numbersWritten = 0")
    assert await page.evaluate("numbersWritten") == 0
