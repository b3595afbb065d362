"""One basket: tickets and seats of any tiers in one order, the best seats by number, and no silent loss."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.webapp import chips
from tests.webapp.appearance import SHIFT_MAX, WATCH_SHIFTS, check_page
from tests.webapp.chips import CHIPS
from tests.webapp.order_page import find_order
from tests.webapp.site import BEST, READS, TICKETS_MAX, MakeEvent, Site
from tests.webapp.visitors import DESKTOP, PHONE, OpenPage, add, draw_map, open_event, remove
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUSE = "VIP=40,Front Row=40,GA=100"
SUBMIT = "button.submit"
SUGGESTED = ".house .seat[data-state=offered]"


def _seat(page: Page, tier: str, row: str, number: int) -> Locator:
    return page.locator(".house").get_by_role("checkbox", name=re.compile(f"^{tier}, row {row}, seat {number}, "))


def _tickets(quantity: int, tier: str) -> str:
    return words("summary.tickets", quantity=quantity, tier=tier)


def _without(quantity: int, tier: str, total: str) -> str:
    return words("checkout.book_rest", tickets=_tickets(quantity, tier), total=total)


async def _shown_seats(page: Page) -> list[int]:
    """Return the ids of the seats that the page shows for tickets by number, once it shows some."""
    await expect(page.locator(".best-seats p").first).to_be_visible()
    return sorted(await page.locator(SUGGESTED).evaluate_all("(all) => all.map(({ dataset }) => Number(dataset.seat))"))


async def _booked(site: Site, page: Page) -> list[dict[str, object]]:
    """Click the button that books; return the lines of the order."""
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    order = await find_order(site, page.url.rpartition("/")[2], page)
    assert order["status"] == "confirmed"
    lines: list[dict[str, object]] = order["bookings"]
    return lines


async def test_tickets_and_seats_of_all_tiers_are_one_order(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "combined", size=DESKTOP)
    await draw_map(page)
    await add(page, 1, "VIP")
    await add(page, 3, "GA")
    await _seat(page, "Front Row", "C", 9).click()
    await expect(page.locator(CHIPS)).to_have_text(
        [chips.tickets(2, "VIP"), chips.tickets(3, "GA"), chips.seat("Front Row", "C", 9)]
    )
    # Screen readers hear of the number and the total.
    total = page.locator(".summary-line[aria-live=polite]")
    await expect(total).to_contain_text(words("summary.mixed", quantity=6))
    await expect(total).to_contain_text("$280")
    seats = await _shown_seats(page)
    await check_page(page, "basket")
    lines = await _booked(site, page)
    assert sorted(str(line["tier"]) for line in lines) == ["Front Row", "GA", "GA", "GA", "VIP", "VIP"]
    assert sorted(int(str(line["ticketId"])) for line in lines if line["tier"] == "VIP") == seats
    await expect(page.locator("#order-tickets")).to_have_text(
        " · ".join((_tickets(2, "VIP"), _tickets(3, "GA"), _tickets(1, "Front Row")))
    )
    assert len(await site.orders("combined")) == 1


async def test_every_entry_is_removed_at_its_own_button(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, size=DESKTOP)
    await draw_map(page)
    await add(page, 2, "GA")
    await _seat(page, "Front Row", "C", 9).click()
    await page.get_by_role("button", name=words("summary.remove", quantity=2, tier="GA")).click()
    await expect(page.locator(CHIPS)).to_have_text([chips.tickets(1, "VIP"), chips.seat("Front Row", "C", 9)])
    # The focus stays at a control that books nothing.
    assert await page.evaluate("document.activeElement.matches('.picks button, .stepper button')")
    await page.get_by_role("button", name=words("summary.return", tier="Front Row", row="C", number=9)).click()
    # One ticket remains, which the tier's own control and the line above show.
    await expect(page.locator(CHIPS)).to_have_count(0)
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$100"))
    await add(page, 1, "GA")
    await remove(page, "VIP")
    await expect(page.locator(".summary-line")).to_contain_text(_tickets(1, "GA"))


async def test_the_limit_is_named_and_the_basket_stays(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, size=DESKTOP)
    await draw_map(page)
    await add(page, TICKETS_MAX - 1, "GA")
    for tier in ("VIP", "Front Row", "GA"):
        await expect(page.get_by_role("button", name=words("quantity.more", tier=tier))).to_be_disabled()
    limit = page.get_by_role("status").filter(has_text=words("summary.at_limit", most=TICKETS_MAX))
    await expect(limit).to_have_count(1)
    await _seat(page, "Front Row", "C", 9).click()
    await expect(page.locator(".reminder[role=status]")).to_have_text(words("summary.at_limit", most=TICKETS_MAX))
    await expect(page.locator(CHIPS)).to_have_text([chips.tickets(1, "VIP"), chips.tickets(9, "GA")])


async def test_an_entry_without_tickets_says_so_and_the_rest_is_booked(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=40,GA=3")
    page = await open_event(site, visit, "thoughtful", size=DESKTOP)
    await add(page, 2, "GA")
    await site.sell("GA", 2)
    chip = page.locator(CHIPS).filter(has_text="GA")
    await expect(chip).to_contain_text(words("checkout.fewer_left.title", left=1))
    await expect(page.locator(SUBMIT)).to_have_text(_without(1, "GA", "$110"))
    await site.sell("GA", 1)
    await expect(chip).to_contain_text(words("basket.gone"))
    await expect(page.locator(SUBMIT)).to_have_text(_without(2, "GA", "$100"))
    await expect(page.locator(".other-tier")).to_have_text(
        words("summary.next_best", tickets=_tickets(2, "VIP"), price="$200")
    )
    await check_page(page, "basket-entry-gone")
    assert [line["tier"] for line in await _booked(site, page)] == ["VIP"]


async def test_a_refusal_names_the_entry(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=40,GA=3")
    page = await open_event(site, visit, "refused", size=DESKTOP)
    await add(page, 3, "GA")
    # The page must not receive the new counts before the click.
    site.network.hold(READS)
    await site.sell("GA", 2)
    await page.locator(SUBMIT).click()
    await expect(page.locator(".summary .notice")).to_contain_text(words("tier.only_left", left=1, tier="GA"))
    chip = page.locator(CHIPS).filter(has_text="GA")
    await expect(chip).to_contain_text(words("checkout.fewer_left.title", left=1))
    await check_page(page, "basket-refused")
    site.network.release()
    await expect(page.locator(".summary .notice-title")).to_have_text(words("tier.only_left", left=1, tier="GA"))
    button = page.get_by_role("button", name=_without(2, "GA", "$110"))
    await button.click()
    await page.wait_for_url("**/booking/*")
    await expect(page.locator("#order-total")).to_contain_text("$110")
    assert len(await site.orders("refused")) == 1


async def test_the_limit_of_a_buyer_is_named(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=20")
    await site.set_columns(tickets_per_buyer=2)
    page = await open_event(site, visit, "gatherer")
    assert (await site.sell("GA", 1, "gatherer")).status_code == 201
    await add(page)
    await page.locator(SUBMIT).click()
    notice = page.locator(".summary .notice")
    await expect(notice).to_contain_text(words("checkout.buyer_limit.title"))
    await expect(notice).to_contain_text(words("checkout.buyer_limit.text", left=1))
    await check_page(page, "booking-buyer-limit")
    await remove(page, "GA")
    assert len(await _booked(site, page)) == 1


async def test_the_shown_seats_or_an_alternative_are_booked(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "chooser", size=DESKTOP)
    await draw_map(page)
    await add(page, 1, "VIP")
    await expect(page.locator(SUGGESTED)).to_have_count(2)
    first = await _shown_seats(page)
    await expect(page.locator(".best-seats p")).to_contain_text(words("best.together"))
    await page.locator(".best-seats summary").click()
    others = page.locator(".best-seats details button")
    await expect(others).to_have_count(2)
    text = await others.first.inner_text()
    await others.first.click()
    await expect(page.locator(".best-seats p")).to_have_text(text)
    chosen = await _shown_seats(page)
    assert chosen != first
    await check_page(page, "best-seats")
    assert sorted(int(str(line["ticketId"])) for line in await _booked(site, page)) == chosen
    # Back at the event other seats are shown, and the buyer's own are not reported as taken by others.
    await page.go_back()
    await expect(page.locator(".best-seats p")).to_have_count(1)
    assert not set(await _shown_seats(page)) & set(chosen)
    await expect(page.locator(".best-seats .fault")).to_have_count(0)


async def test_the_next_best_seats_take_the_place_of_taken_ones(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "follower", size=DESKTOP)
    await draw_map(page)
    await add(page, 1, "VIP")
    await expect(page.locator(SUGGESTED)).to_have_count(2)
    first = await _shown_seats(page)
    assert (await site.sell("VIP", 1, ticket_ids=first[:1])).status_code == 201
    replaced = page.get_by_role("status").filter(has_text=words("best.replaced"))
    await expect(replaced).to_have_count(1)
    second = await _shown_seats(page)
    assert not set(first) & set(second)
    await check_page(page, "best-seats-replaced")
    assert sorted(int(str(line["ticketId"])) for line in await _booked(site, page)) == second


async def test_seats_that_are_taken_while_booking_are_replaced_only_on_the_page(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "overtaken", size=DESKTOP)
    await draw_map(page)
    await add(page, 1, "VIP")
    await expect(page.locator(SUGGESTED)).to_have_count(2)
    first = await _shown_seats(page)
    # The page must not receive the new states before the click.
    site.network.hold(READS)
    assert (await site.sell("VIP", 1, ticket_ids=first[:1])).status_code == 201
    # The second click comes before anybody can have read which seats are next.
    await page.locator(SUBMIT).dblclick()
    await expect(page.get_by_role("status").filter(has_text=words("best.replaced"))).to_have_count(1)
    assert await site.orders("overtaken") == []
    site.network.release()
    second = await _shown_seats(page)
    assert not set(first) & set(second)
    await expect(page.locator(SUBMIT)).to_be_enabled()
    assert sorted(int(str(line["ticketId"])) for line in await _booked(site, page)) == second
    assert len(await site.orders("overtaken")) == 1


@pytest.mark.parametrize("size", [(320, 640), PHONE, DESKTOP])
async def test_the_page_does_not_jump_when_the_seats_appear(
    size: tuple[int, int], make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=40")
    page = await visit("about:blank", size=size)
    await page.add_init_script(WATCH_SHIFTS)
    site.network.hold(BEST)
    await page.goto(site.event_url)
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await expect(page.locator(".summary")).to_contain_text(words("summary.together"))
    await page.evaluate("globalThis.shifted = 0")
    site.network.release()
    await expect(page.locator(".best-seats p")).to_be_visible()
    assert await page.evaluate("shifted") <= SHIFT_MAX
