"""The pages are files. They need no websocket, no Reflex and, once they are loaded, no web server."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from api.database.embedded import EmbeddedServer
from api.schemas import BUILT_IN_EVENT
from tests.stack import ROOT, Process, clean_environment, responds
from tests.webapp.appearance import check_page
from tests.webapp.site import BOOKINGS, Site, shared_site
from tests.webapp.visitors import OpenPage, add, choose, hastened, load_all_scripts, tickets_left
from tests.webapp.words import pattern, words

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("static_site")]

REFERENCE = re.compile("bk_[a-z2-7]{26}")
SUBMIT = "button.submit"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system with asynchronous payment."""
    async with shared_site(request, server, {"PAYMENT_MODE": "async"}, worker=True) as site:
        await site.stack.start_payment_simulator()
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def file_server(site: Site, tmp_path: Path) -> AsyncIterator[None]:
    """Python's own file server in place of the web server, with the site's files."""
    directory = tmp_path / "files"
    writing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webapp", "files", str(directory)),
        cwd=ROOT,
        env={**clean_environment(), "PUBLIC_API_URL": f"http://localhost:{site.network.port}"},
    )
    assert await writing.wait() == 0
    await site.stack._processes["web"].stop()
    process = Process(
        ["http.server", "--bind", "127.0.0.1", "--directory", str(directory), str(site.stack.web_port)],
        clean_environment(),
        tmp_path / "http-server.log",
    )
    await process.wait_until(lambda: responds(site.url), "file server")
    yield
    await process.stop()
    await site.start_web()


@pytest.fixture(autouse=True)
def mend_network(site: Site) -> None:
    site.network.mend()


async def _choose(page: Page, user_id: str) -> None:
    """Choose two seats."""
    await add(page, 2, "VIP")
    await page.get_by_label(words("user.label")).fill(user_id)
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def _arrive(page: Page) -> str:
    """Wait for the page of a confirmed order; return its reference."""
    await page.wait_for_url("**/booking/*")
    reference = page.url.rpartition("/")[2]
    assert REFERENCE.fullmatch(reference)
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(words("booking.confirmed.title"))
    return reference


async def _cancel(page: Page) -> None:
    await page.get_by_role("button", name=words("booking.cancel")).click()
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(words("booking.cancelled.title"))


def _watch_websockets(page: Page) -> list[str]:
    """Return a list that receives the address of each websocket of a page."""
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    return sockets


async def _check_no_websocket(page: Page, sockets: list[str]) -> None:
    """Check that a page has opened no websocket, and that such a list receives one that the test opens."""
    assert sockets == []
    # The failed handshake writes an error, and `visit` checks the console of its pages.
    control = await page.context.new_page()
    opened = _watch_websockets(control)
    await control.goto(page.url)
    async with control.expect_websocket():
        await control.evaluate("void new WebSocket(location.origin.replace('http', 'ws'))")
    assert len(opened) == 1


@pytest.mark.usefixtures("file_server")
async def test_a_plain_file_server_suffices_for_a_purchase(site: Site, visit: OpenPage) -> None:
    page = await visit("about:blank")
    sockets = _watch_websockets(page)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.goto(site.url)
    await page.locator(".event-card a").first.click()
    await _choose(page, "plain-files")
    await page.locator(SUBMIT).click()
    reference = await _arrive(page)
    assert await site.orders("plain-files") == [(reference, "confirmed")]
    await _cancel(page)
    await page.get_by_label(words("nav.label")).get_by_role("link", name=words("nav.bookings")).click()
    await page.get_by_role("link", name=words("bookings.cancelled")).click()
    await expect(page.locator(".booking")).to_contain_text(reference)
    await _check_no_websocket(page, sockets)
    api = f"http://localhost:{site.network.port}"
    assert {url.split("/api/")[0] for url in requested if not url.startswith(site.url)} == {api}


async def test_no_page_opens_a_websocket(site: Site, visit: OpenPage) -> None:
    reference = (await site.sell("GA", 1)).json()["reference"]
    page = await visit("about:blank")
    sockets = _watch_websockets(page)
    for path, ready in (
        ("/", page.locator(".event-card")),
        (f"/event/{BUILT_IN_EVENT}", page.locator(".tier")),
        (f"/booking/{reference}", page.locator("#reference")),
        ("/bookings", page.locator("form.who")),
        ("/sign-in", page.locator(".by-link")),
        ("/no-such-page", page.get_by_role("heading", name=words("missing.title"))),
    ):
        await page.goto(f"{site.url}{path}")
        await expect(ready.first).to_be_visible()
    await _check_no_websocket(page, sockets)


async def test_a_loaded_page_books_pays_cancels_and_polls_after_the_web_server_is_killed(
    site: Site, visit: OpenPage
) -> None:
    page = await visit(site.event_url)
    vip = tickets_left(page, "VIP")
    await expect(vip).to_contain_text(pattern("tier.left", left=r"\d+", total="100"))
    # The page of the order is loaded ahead.
    await load_all_scripts(page)
    await site.stack._processes["web"].kill()
    try:
        left = int((await vip.locator("span").last.text_content() or "").split()[0])
        await site.sell("VIP", 1)
        await expect(vip).to_contain_text(words("tier.left", left=left - 1, total=100))
        await _choose(page, "without-web-server")
        await page.locator(SUBMIT).click()
        reference = await _arrive(page)
        assert await site.orders("without-web-server") == [(reference, "confirmed")]
        await _cancel(page)
        assert await site.orders("without-web-server") == [(reference, "cancelled")]
    finally:
        await site.start_web()


async def test_links_between_pages_work_after_the_web_server_is_killed(site: Site, visit: OpenPage) -> None:
    page = await visit(site.url)
    # The scripts of all pages are loaded while the browser is idle.
    await load_all_scripts(page)
    await site.stack._processes["web"].kill()
    try:
        await page.locator(".event-card a").first.click()
        await _choose(page, "all-links")
        await page.locator(SUBMIT).click()
        reference = await _arrive(page)
        navigation = page.get_by_label(words("nav.label"))
        await navigation.get_by_role("link", name=words("nav.bookings")).click()
        await page.locator(".booking", has_text=reference).get_by_role("link").first.click()
        await expect(page.locator("#reference")).to_have_text(reference)
        await page.go_back()
        await expect(page.locator(".booking", has_text=reference)).to_be_visible()
        await page.locator(".brand").click()
        await expect(page.locator(".event-card").first).to_be_visible()
        await page.go_back()
        await page.go_back()
        await expect(page.locator("#reference")).to_have_text(reference)
        await page.go_back()
        await expect(page.locator(".tier:not(.skeleton)").first).to_be_visible()
    finally:
        await site.start_web()


async def test_a_visitor_who_saves_data_loads_only_the_next_page(site: Site, visit: OpenPage) -> None:
    page = await visit("about:blank")
    await page.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")
    await page.goto(site.event_url)
    await expect(page.locator("link[rel=modulepreload][href*=_booking_]").first).to_be_attached()
    await page.wait_for_load_state("networkidle")
    await page.evaluate("new Promise((done) => requestIdleCallback(() => requestIdleCallback(done)))")
    await expect(page.locator("link[rel=modulepreload][href*=_bookings_]")).to_have_count(0)


async def test_a_booking_that_is_being_sent_is_shown(site: Site, visit: OpenPage) -> None:
    page = await visit(site.event_url)
    await _choose(page, "sender")
    site.network.hold(BOOKINGS)
    await page.locator(SUBMIT).click()
    await expect(page.locator(".summary .notice")).to_contain_text(words("checkout.sending.title"))
    await check_page(page, "booking-sending")
    site.network.release()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("sender")) == 1


async def test_a_lost_click_can_be_repeated(site: Site, visit: OpenPage) -> None:
    page = await visit(site.event_url, own_clock=True)
    await _choose(page, "in-a-tunnel")
    site.network.lose_requests(BOOKINGS)
    await page.locator(SUBMIT).click()
    notice = page.locator(".summary .notice")
    async with hastened(page):
        await expect(notice).to_contain_text(words("checkout.unreachable.title"))
        site.network.mend()
        await expect(notice).to_contain_text(words("checkout.not_found.text"))
    assert await site.orders("in-a-tunnel") == []
    await page.get_by_role("button", name=words("checkout.again")).click()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("in-a-tunnel")) == 1


async def test_a_booking_without_a_response_is_found_after_a_reload(site: Site, visit: OpenPage) -> None:
    page = await visit(site.event_url)
    await _choose(page, "out-of-reach")
    site.network.hold(BOOKINGS)
    await page.locator(SUBMIT).click()
    await site.until_ordered("out-of-reach")
    await page.reload()
    site.network.mend()
    reference = await _arrive(page)
    assert await site.orders("out-of-reach") == [(reference, "confirmed")]


async def test_a_new_tab_finds_the_purchase_of_a_tab_that_crashed(site: Site, visit: OpenPage) -> None:
    page = await visit(site.event_url)
    await _choose(page, "crashed")
    site.network.hold(BOOKINGS)
    await page.locator(SUBMIT).click()
    await site.until_ordered("crashed")
    # The first tab is still open, so another tab leaves the purchase to it and may book something else.
    other = await visit(site.event_url, context=page.context)
    await expect(other.locator(SUBMIT)).to_be_enabled()
    assert await other.evaluate("sessionStorage.getItem('purchase')") is None
    await page.close()
    site.network.mend()
    await other.reload()
    reference = await _arrive(other)
    assert await site.orders("crashed") == [(reference, "confirmed")]
    assert await other.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('purchase'))") == []


async def test_the_forms_faults_are_shown_without_a_request(site: Site, visit: OpenPage) -> None:
    page = await visit(site.event_url)
    await _choose(page, "   ")
    site.network.freeze()
    field = page.get_by_label(words("user.label"))
    await page.locator(SUBMIT).click()
    await expect(field).to_be_focused()
    await field.blur()
    # Another choice neither removes the message nor moves the focus to the field again.
    await choose(page, "GA")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_name(re.compile(words("checkout.invalid.user_missing")))
    await expect(field).not_to_be_focused()
