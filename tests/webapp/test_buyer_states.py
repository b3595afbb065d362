"""Every state of the event page that a buyer can meet, brought about for real."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.webapp.conftest import OpenPage, Site, StartSite, shot

SUBMIT = "button.submit"
NOTICE = ".notice"
STALE_AFTER_MS = 20_000
SLOW_MS = 25_000


async def _open(site: Site, open_page: OpenPage, user_id: str = "user-1") -> Page:
    page = await open_page(site.url)
    await page.get_by_label("Your user id").fill(user_id)
    await expect(page.locator(".freshness")).to_have_text("Live")
    return page


async def test_unknown_counts_are_shown_as_unknown_and_the_page_does_not_jump(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site()
    site.browser_gate.hold()
    page = await open_page(site.url)
    await expect(page.locator(".freshness")).to_have_text("Loading")
    await expect(page.locator(".skeleton")).to_have_count(3)
    await expect(page.locator(SUBMIT)).to_be_disabled()
    assert "0 left" not in await page.inner_text("main")
    await shot(page, "event-loading")
    before = await page.locator(SUBMIT).bounding_box()
    site.browser_gate.release()
    await expect(page.locator(".freshness")).to_have_text("Live")
    assert await page.locator(SUBMIT).bounding_box() == before


async def test_counts_follow_other_buyers_and_rest_while_the_tab_is_hidden(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if "/availability" in request.url else None)
    await site.sell("VIP", 95)
    vip = page.locator("[data-tier='VIP']")
    await expect(vip).to_contain_text("5 of 100 left")
    await expect(vip).to_contain_text("Few left")
    # The stepper follows what is left, without the server.
    for _ in range(4):
        await page.get_by_role("button", name="One ticket more").click()
    await expect(page.get_by_role("button", name="One ticket more")).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_text("Book 5 \u00d7 VIP$500")
    await shot(page, "event-few-left")

    await _set_hidden(page, hidden=True)
    polls.clear()
    await page.wait_for_timeout(5_000)
    assert polls == []
    await site.sell("VIP", 1)
    await _set_hidden(page, hidden=False)
    await expect(vip).to_contain_text("4 of 100 left")


async def _set_hidden(page: Page, *, hidden: bool) -> None:
    """Do what the browser does when the tab is left or entered; a window without a screen never is."""
    await page.evaluate(
        """(hidden) => {
            const state = hidden ? "hidden" : "visible";
            Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


async def test_old_counts_are_named_old_and_come_back_by_themselves(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    await site.stack.stop_api()
    await expect(page.locator(".freshness")).to_have_text(
        re.compile(r"Last known counts, \d+ s old\. Retrying"), timeout=STALE_AFTER_MS
    )
    await expect(page.locator("[data-tier='VIP']")).to_contain_text("100 of 100 left")
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await shot(page, "event-stale")
    await site.stack.start_api()
    await expect(page.locator(".freshness")).to_have_text("Live")
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_an_api_that_was_never_heard_is_said_to_be_away(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    await site.stack.stop_api()
    page = await open_page(site.url)
    await expect(page.locator(".freshness")).to_have_text("The box office does not answer. Retrying")
    assert "0 left" not in await page.inner_text("main")
    await shot(page, "event-unreachable")
    await page.goto(f"{site.url}/booking/bk_x")
    await expect(page.get_by_role("heading", name="The box office does not answer")).to_be_visible()
    await shot(page, "booking-unreachable")


async def test_a_tier_and_then_everything_sells_out(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    await site.sell("VIP", 100)
    vip = page.locator("[data-tier='VIP']")
    await expect(vip).to_contain_text("Sold out")
    await expect(vip.get_by_role("radio")).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await shot(page, "tier-sold-out")
    await page.locator("[data-tier='Front Row']").click()
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await site.sell("Front Row", 200)
    await site.sell("GA", 1000)
    await expect(page.get_by_text("Every ticket for this concert has gone.")).to_be_visible()
    await expect(page.locator(SUBMIT)).to_have_text("Sold out")
    await shot(page, "event-sold-out")


async def test_a_declined_payment_can_be_tried_again_under_a_new_key(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site(env={"PAYMENT_SUCCESS_RATE": "0"})
    page = await _open(site, open_page)
    await page.get_by_role("button", name="One ticket more").click()
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text("Payment declined")
    await expect(page.locator(NOTICE)).to_contain_text("Nothing was taken")
    await shot(page, "booking-declined")
    await expect(page.get_by_label("Your user id")).to_have_value("user-1")
    await expect(page.locator(SUBMIT)).to_have_text("Book 2 \u00d7 VIP$200")

    site.stack.environment["PAYMENT_SUCCESS_RATE"] = "1"
    await site.stack.stop_api()
    await site.stack.start_api()
    await expect(page.get_by_role("button", name="Try again")).to_be_enabled()
    await page.get_by_role("button", name="Try again").click()
    await page.wait_for_url("**/booking/*")
    orders = await site.orders("user-1")
    assert sorted(status for _, status in orders) == ["confirmed", "declined"]


async def test_fewer_left_than_asked_books_those_with_one_click(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    for _ in range(4):
        await page.get_by_role("button", name="One ticket more").click()
    # The page must not learn of it before the click does.
    site.browser_gate.hold()
    await site.sell("VIP", 97)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text("Only 3 left")
    site.browser_gate.release()
    await shot(page, "booking-fewer-left")
    await page.get_by_role("button", name="Book 3 instead").click()
    await page.wait_for_url("**/booking/*")
    await expect(page.locator("#order-title")).to_have_text("3 \u00d7 VIP")


async def test_a_tier_that_went_meanwhile_points_to_another(start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    site.browser_gate.hold()
    await site.sell("VIP", 100)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text("VIP is sold out")
    site.browser_gate.release()
    await expect(page.locator("[data-tier='VIP']")).to_contain_text("Sold out")
    await shot(page, "booking-sold-out-meanwhile")
    await page.get_by_role("button", name="Choose another tier").click()
    await expect(page.get_by_role("radio", name=re.compile("^Front Row"))).to_be_focused()


async def test_a_database_that_is_away_makes_the_page_busy_and_then_books_once(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site(private_server=True)
    page = await _open(site, open_page)
    site.stack.stop_database()
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text("Very busy, trying again (2/5)", timeout=SLOW_MS)
    await shot(page, "booking-busy")
    await expect(page.locator(NOTICE)).to_contain_text("Still very busy", timeout=60_000)
    await expect(page.locator(NOTICE)).to_contain_text("Nothing was booked")
    await shot(page, "booking-busy-end")
    await asyncio.to_thread(site.stack.start_database)
    await expect(page.get_by_role("button", name="Try again")).to_be_enabled(timeout=SLOW_MS)
    await page.get_by_role("button", name="Try again").click()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("user-1")) == 1


async def test_an_answer_lost_on_the_way_is_asked_for_and_nothing_is_booked_twice(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    site.server_gate.lose_answers()
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text("Connection lost, asking what became of your booking")
    await shot(page, "booking-connection-lost")
    site.server_gate.mend()
    await page.wait_for_url("**/booking/*")
    assert site.server_gate.answers_lost > 0
    assert len(await site.orders("user-1")) == 1


async def test_a_box_office_that_stays_silent_is_named_and_a_check_settles_it(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    site.server_gate.lose_answers()
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text("No answer from the box office", timeout=SLOW_MS)
    await shot(page, "booking-unknown")
    # Neither a reload nor a new connection forgets that the outcome is open.
    site.server_gate.mend()
    await page.reload()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("user-1")) == 1


async def test_a_click_while_the_pages_server_is_away_is_sent_once_when_it_is_back(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    await site.stop_web()
    await expect(page.get_by_text("The connection to this site is lost.")).to_be_visible(timeout=SLOW_MS)
    await page.locator(SUBMIT).click()
    await expect(page.locator(SUBMIT)).to_have_text("Booking")
    await expect(page.locator(NOTICE)).to_contain_text("Your click was not heard yet", timeout=SLOW_MS)
    await shot(page, "connection-lost")
    await site.start_web()
    await page.wait_for_url("**/booking/*", timeout=SLOW_MS)
    assert len(await site.orders("user-1")) == 1


async def test_slow_sending_explains_itself_and_then_offers_to_check(
    start_site: StartSite, open_page: OpenPage
) -> None:
    site = await start_site()
    page = await _open(site, open_page)
    site.server_gate.hold()
    await page.locator(SUBMIT).click()
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_text("Booking")
    await expect(page.locator(NOTICE)).to_contain_text("Booking your tickets")
    await shot(page, "booking-sending")
    await expect(page.locator(NOTICE)).to_contain_text("This takes longer than usual")
    await shot(page, "booking-slow")
    check = page.get_by_role("button", name="Check what became of it")
    await expect(check).to_be_visible(timeout=SLOW_MS)
    await shot(page, "booking-offers-check")
    site.server_gate.release()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("user-1")) == 1


@pytest.mark.parametrize("user_id", ["", "   "])
async def test_without_a_user_id_nothing_is_sent(user_id: str, start_site: StartSite, open_page: OpenPage) -> None:
    site = await start_site()
    page = await _open(site, open_page, user_id)
    await page.locator(SUBMIT).click()
    if user_id:
        await expect(page.locator(NOTICE)).to_contain_text("Type your user id")
        await shot(page, "booking-user-id-missing")
    invalid: Any = await page.evaluate("document.querySelector('[name=user_id]').validity.valueMissing")
    assert invalid == (user_id == "")
    await expect(page.locator(SUBMIT)).to_be_enabled()
