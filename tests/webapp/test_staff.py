"""The staff pages in the browser: signing in from them, their pages, and the buyers' pages without their server."""

from functools import partial
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Page, WebSocket, expect

from tests.stack import Stack
from tests.waiting import read_until
from tests.webapp.accounts import link_of, press
from tests.webapp.appearance import check_page, violations
from tests.webapp.site import Site
from tests.webapp.staff import grant_role, send_sign_in_link
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words
from webapp.staff import texts

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDE = (1440, 900)


@pytest_asyncio.fixture(loop_scope="session")
async def site(inline_site: Site, staff_stack: Stack) -> Site:
    assert inline_site.stack is staff_stack
    return inline_site


def sockets_of(page: Page) -> list[str]:
    """Return the addresses of all further websockets of a page."""
    addresses: list[str] = []

    def note(socket: WebSocket) -> None:
        addresses.append(socket.url)

    page.on("websocket", note)
    return addresses


async def sign_in(site: Site, page: Page, email: str) -> None:
    """Follow the link of a staff page to the sign-in; the sign-in leads back."""
    await page.get_by_role("link", name=texts.SIGN_IN).click()
    await page.wait_for_url("**/sign-in?to=/staff")
    await read_until(partial(page.evaluate, "Object.values(localStorage).includes('/staff')"), bool)
    await send_sign_in_link(site.stack, email)
    await page.goto(await link_of(site, email))
    await press(page)
    await page.wait_for_url(f"{site.url}/staff/")


async def test_an_admin_signs_in_and_changes_roles(site: Site, visit: OpenPage) -> None:
    admin = "admin@staff.example"
    await grant_role(site.stack, admin, "admin")
    page = await visit(f"{site.url}/staff")
    await expect(page.get_by_role("heading", level=1)).to_have_text(texts.SIGNED_OUT[0])
    await check_page(page, "staff-signed-out")
    await sign_in(site, page, admin)
    await expect(page.locator(".staff-account")).to_contain_text(admin)
    await expect(page.locator(".staff-table tbody tr").first).to_be_visible()
    await check_page(page, "staff-overview")

    await page.get_by_role("link", name=texts.PEOPLE).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(texts.PEOPLE)
    await expect(page.locator(".staff-table")).to_contain_text(admin)
    await page.get_by_label(texts.EMAIL).fill("door@staff.example")
    await page.get_by_role("combobox", name=texts.ROLE).select_option("door")
    await page.get_by_role("button", name=texts.GRANT).click()
    await expect(page.locator(".staff-outcome")).to_have_text(texts.GRANTED)
    row = page.get_by_role("row").filter(has_text="door@staff.example")
    await expect(row).to_contain_text(texts.ROLES["door"])
    await check_page(page, "staff-people")
    await page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    assert await violations(page) == []
    await row.get_by_role("button").click()
    await expect(page.locator(".staff-outcome")).to_have_text(texts.REVOKED)
    await expect(row).to_have_count(0)

    await page.get_by_role("button", name=texts.SIGN_OUT).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(texts.SIGNED_OUT[0])
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text(texts.SIGNED_OUT[0])
    await expect(page.get_by_text(admin)).to_have_count(0)


async def test_a_buyer_sees_that_the_account_has_no_role(site: Site, visit: OpenPage) -> None:
    page = await visit(f"{site.url}/staff")
    await sign_in(site, page, "no-role@buyers.example")
    await expect(page.get_by_role("heading", level=1)).to_have_text(texts.NO_ROLE[0])
    await page.goto(f"{site.url}/staff/people")
    await expect(page.get_by_role("heading", level=1)).to_have_text(texts.NO_ROLE[0])


async def test_a_session_goes_on_after_the_buyers_pages_have_exchanged_its_cookie(site: Site, visit: OpenPage) -> None:
    admin = "tabs@staff.example"
    await grant_role(site.stack, admin, "admin")
    page = await visit(f"{site.url}/staff/people")
    await sign_in(site, page, admin)
    other = await page.context.new_page()
    await other.goto(f"{site.url}/bookings")
    await expect(other.locator(".account")).to_contain_text(admin)
    await page.get_by_role("link", name=texts.PEOPLE).click()
    await expect(page.locator(".staff-table")).to_contain_text(admin)


async def sell_undelivered(site: Site, email: str) -> dict[str, Any]:
    """Sell an order whose e-mail the mail server has refused; return the order."""
    body = {"tier": "GA", "quantity": 2, "userId": "Box Office Buyer", "email": email}
    async with site.connect() as http:
        response = await http.post("/api/bookings", json=body, params={"event": site.event})
    order: dict[str, Any] = response.raise_for_status().json()
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        await conn.execute(
            "insert into messages (kind, order_id, recipient, locale, message_id, status, last_error)"
            " select 'confirmed', id, email, 'en', '<1@came-back.test>', 'bounced', '550 no such user' from orders"
            " where reference = %s",
            [order["reference"]],
        )
    return order


async def test_the_box_office_finds_an_order_whose_email_came_back(site: Site, visit: OpenPage) -> None:
    site = await site.make_event("GA=5", {})
    clerk, buyer = "clerk@staff.example", "came-back@buyers.example"
    await grant_role(site.stack, clerk, "box_office", site.event)
    order = await sell_undelivered(site, buyer)
    page = await visit(f"{site.url}/staff")
    await sign_in(site, page, clerk)
    await page.get_by_role("link", name=texts.ORDERS).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(texts.ORDERS)
    await expect(page.locator(f"datalist option[value='{site.event}']")).to_have_count(1)
    await check_page(page, "staff-orders")

    async def find(search: str, event: str = site.event) -> None:
        await page.get_by_label(texts.EVENT).fill(event)
        await page.get_by_label(texts.SEARCH).fill(search)
        await page.get_by_role("button", name=texts.FIND).click()

    row = page.locator(".staff-table tbody tr")
    short = f"{order['shortReference'][:4]}-{order['shortReference'][4:]}"
    for search in (short.lower(), buyer.upper(), order["reference"]):
        await find(search)
        await expect(page.locator(".staff-outcome")).to_have_text(texts.FOUND.format(number=1))
        await expect(row).to_have_count(1)
        for text in (short, "Box Office Buyer", buyer, "20.00 USD", texts.MAIL_STATES["bounced"], "550 no such user"):
            await expect(row).to_contain_text(text)
        await find("nobody@buyers.example")
        await expect(page.locator(".staff-outcome")).to_have_text(texts.FOUND_NONE)
        await expect(row).to_have_count(0)
    await find(short)
    await expect(row).to_have_count(1)
    await check_page(page, "staff-orders-found")
    await page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    assert await violations(page) == []
    await find(short, event="aurora-sessions")
    await expect(page.get_by_role("alert")).to_have_text(texts.FORBIDDEN)
    await expect(row).to_have_count(0)


async def test_buyers_need_no_server_of_the_staff_pages(site: Site, visit: OpenPage) -> None:
    await site.stack.stop_staff_pages(kill=True)
    try:
        page = await visit(f"{site.url}/sign-in")
        opened = sockets_of(page)
        for path in ("/", f"/event/{site.event}", "/bookings", "/sign-in"):
            await page.goto(site.url + path)
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.goto(site.event_url)
        await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
        assert opened == []
    finally:
        await site.stack.start_staff_pages()
