"""Two browsers book the last ticket. One gets it, the other a refusal, and both pages become correct by themselves."""

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.webapp.appearance import shot
from tests.webapp.site import StartSite
from tests.webapp.visitors import OpenPage, choose
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
WIDE = (1280, 860)


async def test_two_browsers_book_the_last_ticket_at_once(start_site: StartSite, visit: OpenPage) -> None:
    site = await start_site(env={"API_WORKERS": "2"})
    await site.sell_many("VIP", 99)
    pages = {user: await visit(site.event_url, size=WIDE) for user in ("ann", "bob")}
    for user, page in pages.items():
        await choose(page, "VIP")
        await page.get_by_label(words("user.label")).fill(user)
        await expect(page.locator(".tier[data-tier='VIP']")).to_contain_text(words("tier.left", left=1, total=100))
        await expect(page.locator(SUBMIT)).to_be_enabled()

    await asyncio.gather(*(page.locator(SUBMIT).click() for page in pages.values()))

    winner, loser = await _winner_and_loser(pages)
    await expect(pages[winner].locator("article")).to_have_attribute("data-state", "confirmed")
    await expect(pages[loser].locator(".summary .notice")).to_contain_text(words("checkout.sold_out.title", tier="VIP"))
    # Without any action the loser's page shows the tier as sold out, and the winner's booking stays.
    await expect(pages[loser].locator(".tier[data-tier='VIP']")).to_contain_text(words("tier.sold_out"))
    await shot(pages[winner], "last-ticket-winner")
    await shot(pages[loser], "last-ticket-loser")
    reference = pages[winner].url.rpartition("/")[2]
    assert await site.orders(winner) == [(reference, "confirmed")]
    assert await site.orders(loser) == []
    await pages[winner].reload()
    await expect(pages[winner].locator("#reference")).to_have_text(reference)


async def _winner_and_loser(pages: dict[str, Page]) -> tuple[str, str]:
    """Wait until both buyers have a response; return the index of the winner."""
    outcome = {user: asyncio.create_task(_booked(page)) for user, page in pages.items()}
    booked = {user: await task for user, task in outcome.items()}
    assert sorted(booked.values()) == [False, True], booked
    first, second = pages
    return (first, second) if booked[first] else (second, first)


async def _booked(page: Page) -> bool:
    outcome = page.locator("#reference").or_(
        page.locator(".notice").get_by_text(words("checkout.sold_out.title", tier="VIP"))
    )
    await outcome.first.wait_for()
    return "/booking/" in page.url
