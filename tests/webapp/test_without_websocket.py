"""A visitor whose network lets no websocket through sees what is left and books all the same."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from api.database.embedded import EmbeddedServer
from api.schemas import BUILT_IN_EVENT
from tests.faulty_proxy import FaultyProxy
from tests.webapp.conftest import OpenPage, Site, look, shared_site
from tests.webapp.words import pattern, words

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("without_websocket")]

CONNECTED_WITHIN_S = 20.0
REFERENCE = re.compile("bk_[a-z2-7]{26}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def network() -> AsyncIterator[FaultyProxy]:
    """The visitors' way to the web app."""
    async with FaultyProxy() as gate:
        yield gate


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(request: pytest.FixtureRequest, server: EmbeddedServer, network: FaultyProxy) -> AsyncIterator[Site]:
    """A system whose pages come by that way."""
    async with shared_site(request, server, {"WEB_ORIGINS": f"http://localhost:{network.port}"}) as site:
        network.targets.append(site.stack.web_port)
        yield site


@pytest.fixture(autouse=True)
def let_everything_through(network: FaultyProxy) -> None:
    """Begin each test on a network like any other."""
    network.mend()
    network.websockets_blocked = network.websockets_swallowed = False
    network.websockets_refused = 0


def _address(network: FaultyProxy) -> str:
    return f"http://localhost:{network.port}/event/{BUILT_IN_EVENT}"


async def _book(page: Page, user_id: str) -> str:
    """Book two seats; return the booking's reference."""
    await page.get_by_role("radio", name=re.compile("^VIP")).check()
    await page.get_by_role("button", name=words("quantity.more")).click()
    await page.get_by_label(words("user.label")).fill(user_id)
    await page.locator("button.submit").click()
    await page.wait_for_url("**/booking/*")
    reference = page.url.rpartition("/")[2]
    await expect(page.get_by_text(reference).first).to_be_visible()
    return reference


async def test_a_visitor_without_websockets_sees_live_counts_and_books(
    network: FaultyProxy, site: Site, visit: OpenPage
) -> None:
    network.websockets_blocked = True
    page = await visit(_address(network))
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.left", left=100, total=100))
    await site.sell("VIP", 3)
    await expect(vip).to_contain_text(words("tier.left", left=97, total=100))

    reference = await _book(page, "behind-a-proxy")

    assert REFERENCE.fullmatch(reference)
    assert await site.orders("behind-a-proxy") == [(reference, "confirmed")]
    assert network.websockets_refused > 0


async def test_what_can_be_read_needs_no_server_of_the_pages_at_all(
    network: FaultyProxy, site: Site, visit: OpenPage
) -> None:
    network.websockets_blocked = True
    page = await visit("about:blank")
    await page.route("**/_reflex/**", lambda route: route.abort())
    await page.goto(_address(network))
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(pattern("tier.left", left=r"\d+", total="100"))
    left = int((await vip.locator(".tier-count").inner_text()).split()[0])
    reference = (await site.sell("VIP", 1, "user-read")).json()["reference"]
    await expect(vip).to_contain_text(words("tier.left", left=left - 1, total=100))
    await expect(page.get_by_text(words("connection.lost"))).to_be_visible()
    await look(page, "event-without-connection")
    await page.goto(f"http://localhost:{network.port}/booking/{reference}")
    await expect(page.get_by_role("heading", name=words("booking.confirmed.title"))).to_be_visible()
    await page.goto(f"http://localhost:{network.port}/")
    await expect(page.locator(".concert")).to_have_count(1)


async def test_a_websocket_that_is_swallowed_is_given_up_for_polling(
    network: FaultyProxy, site: Site, visit: OpenPage
) -> None:
    network.websockets_swallowed = True
    page = await visit(_address(network))
    reference = await _book(page, "behind-a-firewall")
    assert await site.orders("behind-a-firewall") == [(reference, "confirmed")]
    assert network.websockets_refused > 0


async def test_where_websockets_come_through_nothing_is_polled(
    network: FaultyProxy, site: Site, visit: OpenPage
) -> None:
    page = await visit("about:blank")
    sockets: list[str] = []
    polled: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.on("request", lambda request: polled.append(request.url) if "transport=polling" in request.url else None)
    await page.goto(_address(network))
    reference = await _book(page, "at-home")
    assert await site.orders("at-home") == [(reference, "confirmed")]
    assert len(sockets) == 1
    assert polled == []


async def test_a_connection_that_comes_back_forgets_nothing_that_the_buyer_was_told(
    network: FaultyProxy, site: Site, visit: OpenPage
) -> None:
    page = await visit(_address(network))
    field = page.get_by_label(words("user.label"))
    await field.fill("   ")
    await page.locator("button.submit").click()
    await expect(field).to_be_focused()
    await field.blur()
    connected = page.expect_websocket()
    async with connected:
        network.cut()
    # The connection serves again, and has neither taken the words away nor led anybody to the field once more.
    await page.get_by_role("radio", name=re.compile("^VIP")).check()
    await expect(page.get_by_text(words("connection.lost"))).to_be_hidden()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_name(re.compile(words("attempt.invalid.user_missing")))
    await expect(field).not_to_be_focused()


async def test_a_click_that_was_lost_with_its_connection_may_be_made_again(
    network: FaultyProxy, site: Site, visit: OpenPage
) -> None:
    page = await visit(_address(network))
    await page.get_by_label(words("user.label")).fill("in-a-tunnel")
    submit = page.locator("button.submit")
    await expect(submit).to_have_text(words("book.button", total="$100"))
    await expect(submit).to_be_enabled()
    # The connection is dead already, and nobody has noticed.
    network.freeze()
    await submit.click()
    await expect(submit).to_have_text(words("book.sending"))
    async with page.expect_websocket():
        network.cut()
        network.release()
    await expect(page.locator(".summary .notice")).to_contain_text(words("attempt.not_found.over"))
    assert await site.orders("in-a-tunnel") == []
    await submit.click()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("in-a-tunnel")) == 1


async def test_a_booking_made_while_its_connection_died_unnoticed_is_found_and_not_made_again(
    network: FaultyProxy, site: Site, visit: OpenPage
) -> None:
    page = await visit("about:blank")
    connected = asyncio.Event()

    def hear(frame: str | bytes) -> None:
        if "is_hydrated" in str(frame):
            connected.set()

    page.on("websocket", lambda socket: socket.on("framereceived", hear))
    await page.goto(_address(network))
    await page.get_by_label(words("user.label")).fill("out-of-reach")
    await expect(page.locator("button.submit")).to_be_enabled()
    # The counts may come before the page's own connection is there.
    async with asyncio.timeout(CONNECTED_WITHIN_S):
        await connected.wait()
    # The click gets through, and nothing comes back; then the page is somewhere else, and its server does not know.
    network.hold()
    await page.locator("button.submit").click()
    reference = await page.evaluate("sessionStorage.getItem('clicked-booking').split('.')[0]")
    await site.until(reference, "confirmed")
    network.forsake()
    network.release()
    await page.wait_for_url(f"**/booking/{reference}")
    assert await site.orders("out-of-reach") == [(reference, "confirmed")]


async def test_a_booking_that_is_being_sent_is_said_to_be(network: FaultyProxy, site: Site, visit: OpenPage) -> None:
    page = await visit(_address(network))
    await page.get_by_label(words("user.label")).fill("sender")
    site.server_gate.hold()
    await page.locator("button.submit").click()
    await expect(page.locator(".summary .notice")).to_contain_text(words("attempt.sending.title"))
    # As it was at first, for as long as the pictures take.
    network.hold()
    await look(page, "booking-sending")
    network.release()
    site.server_gate.release()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("sender")) == 1
