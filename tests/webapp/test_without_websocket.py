"""A visitor whose network lets no websocket through sees what is left and books all the same."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from tests.gate import Gate
from tests.webapp.conftest import OpenPage, Site, StartSite

REFERENCE = re.compile("bk_[a-z2-7]{26}")


@pytest.fixture
async def network() -> AsyncIterator[Gate]:
    """The visitor's way to the web app."""
    async with Gate() as gate:
        yield gate


async def _start(network: Gate, start_site: StartSite) -> Site:
    site = await start_site(env={"WEB_ORIGINS": f"http://localhost:{network.port}"})
    network.targets.append(site.stack.web_port)
    return site


async def _book(page: Page, user_id: str) -> str:
    """Book two seats; return the booking's reference."""
    await page.get_by_role("radio", name=re.compile("^VIP")).check()
    await page.get_by_role("button", name="One ticket more").click()
    await page.get_by_label("Your user ID").fill(user_id)
    await page.locator("button.submit").click()
    await page.wait_for_url("**/booking/*")
    reference = page.url.rpartition("/")[2]
    await expect(page.get_by_text(reference).first).to_be_visible()
    return reference


async def test_a_visitor_without_websockets_sees_live_counts_and_books(
    network: Gate, start_site: StartSite, open_page: OpenPage
) -> None:
    site = await _start(network, start_site)
    network.websockets_blocked = True
    page = await open_page(f"http://localhost:{network.port}/event/aurora-sessions")
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text("100 of 100 left")
    await site.sell("VIP", 3)
    await expect(vip).to_contain_text("97 of 100 left")

    reference = await _book(page, "behind-a-proxy")

    assert REFERENCE.fullmatch(reference)
    assert await site.orders("behind-a-proxy") == [(reference, "confirmed")]
    assert network.websockets_refused > 0


async def test_a_websocket_that_is_swallowed_is_given_up_for_polling(
    network: Gate, start_site: StartSite, open_page: OpenPage
) -> None:
    site = await _start(network, start_site)
    network.websockets_swallowed = True
    page = await open_page(f"http://localhost:{network.port}/event/aurora-sessions")
    reference = await _book(page, "behind-a-firewall")
    assert await site.orders("behind-a-firewall") == [(reference, "confirmed")]
    assert network.websockets_refused > 0


async def test_where_websockets_come_through_nothing_is_polled(
    network: Gate, start_site: StartSite, open_page: OpenPage
) -> None:
    site = await _start(network, start_site)
    page = await open_page("about:blank")
    sockets: list[str] = []
    polled: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.on("request", lambda request: polled.append(request.url) if "transport=polling" in request.url else None)
    await page.goto(f"http://localhost:{network.port}/event/aurora-sessions")
    reference = await _book(page, "at-home")
    assert await site.orders("at-home") == [(reference, "confirmed")]
    assert len(sockets) == 1
    assert polled == []
