"""A thousand random picks, clicks and polls leave a page without an error and equal to the API.

`WALK_SEED` repeats the choices of an earlier walk, and `WALK_ROUNDS` sets the number of rounds.
"""

import asyncio
import os
import random
import re
import time
from collections import Counter

import pytest
from playwright.async_api import Page, expect

from tests.webapp.order_page import find_order
from tests.webapp.random_walk import RECORD, Walk
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import SOON_S, OpenPage, choose, draw_map
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVENTORY = "VIP=20,Front Row=30,GA=40"
PRICES = {"VIP": 100, "Front Row": 50, "GA": 10}
ROUNDS = int(os.environ.get("WALK_ROUNDS") or 10)
STEPS = 100
"""Number of clicks and polls in a round."""
WIDTHS = (320, 390, 1280)


async def _open(site: Site, visit: OpenPage) -> Walk:
    page = await visit(f"{site.url}/no/such/page")
    await page.add_init_script(RECORD)
    walk = Walk(page, PRICES)
    await _arrive(walk, site)
    return walk


async def _arrive(walk: Walk, site: Site) -> None:
    await walk.page.goto(site.event_url)
    await expect(walk.page.locator(".freshness")).to_have_attribute("data-phase", "live")
    await draw_map(walk.page)
    await expect(walk.page.locator(".house")).to_be_visible()


async def _until_equal(walk: Walk, site: Site) -> None:
    """Wait until the page shows the counts and the free seats that the API has."""
    deadline = time.monotonic() + SOON_S
    async with site.connect() as http:
        while True:
            tickets = (await http.get("/api/tickets", params={"event": site.event})).json()
            right = {
                "counts": {tier: sum(ticket["tier"] == tier for ticket in tickets) for tier in PRICES},
                "free": [ticket["id"] for ticket in tickets if ticket["row"] is not None],
            }
            await walk.poll()
            await asyncio.sleep(0.1)
            shown = await walk.shown()
            picks = shown.pop("picks")
            if shown == right and set(picks) <= set(right["free"]):
                return
            assert time.monotonic() < deadline, f"shown: {shown}, picked: {picks}, right: {right}"


async def _others_act(site: Site, picks: list[int], chance: random.Random, orders: list[str]) -> None:
    """Let another buyer take a picked seat or other tickets, or return some."""
    if orders and chance.random() < 0.5:
        await site.cancel(orders.pop(), "others")
    elif picks and chance.random() < 0.6:
        tier = await _tier_of(site, picks[0])
        answer = await site.sell(tier, 1, f"other-{chance.random()}", ticket_ids=picks[:1])
        assert answer.status_code in (201, 409), answer.text
    else:
        answer = await site.sell(chance.choice(list(PRICES)), chance.randint(1, 3), "others")
        if answer.status_code == 201:
            orders.append(answer.json()["reference"])


async def _tier_of(site: Site, ticket_id: int) -> str:
    async with site.connect() as http:
        tickets = (await http.get("/api/tickets", params={"event": site.event})).json()
    return next((ticket["tier"] for ticket in tickets if ticket["id"] == ticket_id), "VIP")


async def _book(walk: Walk, site: Site, user_id: str) -> None:
    """Book the selection; the order has exactly the tickets and the total that the page showed."""
    page = walk.page
    submit = page.locator(".summary .submit")
    if await submit.count() == 0 or await submit.is_disabled():
        return
    await page.get_by_label(words("user.label")).fill(user_id)
    wanted = await walk.items()
    total = re.sub(r"\D", "", await submit.inner_text())
    await submit.click()
    await expect(page.locator("article")).to_have_attribute("data-state", "confirmed")
    order = await find_order(site, page.url.rpartition("/")[2], page)
    assert str(order["total"]) == total
    tiers = Counter(booking["tier"] for booking in order["bookings"])
    assert tiers == sum((Counter({item["tier"]: item["quantity"]}) for item in wanted), Counter())
    picks = {ticket_id for item in wanted for ticket_id in item["ticketIds"]}
    assert picks <= {booking["ticketId"] for booking in order["bookings"]}
    await expect(page.locator("#order-total")).to_contain_text(f"${order['total']:,}")
    await _arrive(walk, site)


async def test_a_random_walk_leaves_the_page_equal_to_the_api(make_event: MakeEvent, visit: OpenPage) -> None:
    seed = int(os.environ.get("WALK_SEED") or random.SystemRandom().randrange(2**31))
    print(f"WALK_SEED={seed}")  # noqa: T201 - pytest shows it if the walk fails
    chance = random.Random(seed)
    site = await make_event(INVENTORY)
    walk = await _open(site, visit)
    orders: list[str] = []
    for round_ in range(ROUNDS):
        await walk.page.set_viewport_size({"width": chance.choice(WIDTHS), "height": 844})
        assert await walk.go(chance.randrange(2**31), STEPS) == [], f"round {round_} of WALK_SEED={seed}"
        await _others_act(site, (await walk.shown())["picks"], chance, orders)
        await _until_equal(walk, site)
        assert await walk.faults() == [], f"after round {round_} of WALK_SEED={seed}"
        if round_ % 5 == 4:
            await _book(walk, site, f"walker-{round_}")


async def _change(page: Page, selector: str, text: str) -> None:
    await page.locator(selector).first.evaluate("(element, text) => { element.textContent = text; }", text)


async def test_the_check_of_the_walk_finds_each_fault(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(INVENTORY)
    walk = await _open(site, visit)
    await choose(walk.page)
    await walk.page.locator(".best").click()
    assert await walk.faults() == []
    for selector, text, fault in (
        (".summary-total", "$1 USD", "total: "),
        (".summary-line > span", words("summary.tickets", quantity=2, tier="GA"), "selection: "),
        (".tier[data-wanted=true] .stepper output", "7", "quantity"),
        (".counts li > :last-child", "1 of 20 left", "counts: "),
        (".summary .picks", "", "chips: "),
        (".summary .submit", "Book for $1", "button: "),
    ):
        await _change(walk.page, selector, text)
        assert any(each.startswith(fault) for each in await walk.faults()), fault
    for html, fault in (("<p style='width: 2000px'>wide</p>", "px wide"), ("<p role='alert'>Sorry</p>", "error page")):
        await walk.page.locator("main").evaluate("(main, html) => main.insertAdjacentHTML('beforeend', html)", html)
        assert any(fault in each for each in await walk.faults()), fault
    await walk.page.locator(".house .seat[data-state='mine']").evaluate("(seat) => { seat.dataset.state = 'free'; }")
    assert any(each.startswith("picked seats") for each in await walk.faults())
