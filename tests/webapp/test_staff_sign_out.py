"""A sign-out on a staff page: the browser then has nothing of the account, as after one on a buyers' page."""

import pytest
import pytest_asyncio
from playwright.async_api import Page, StorageState, expect

from tests.stack import Stack
from tests.waiting import read_until
from tests.webapp.order_page import expect_codes, expect_title
from tests.webapp.site import MakeEvent, Site
from tests.webapp.staff import grant_role
from tests.webapp.test_shared_computer import book, end_sessions, expect_nothing, sign_in
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words
from webapp.staff import texts

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("staff_stack")]


async def expect_signed_out(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(texts.SIGNED_OUT[0])


async def expect_guest(page: Page) -> None:
    """Wait until the browser has forgotten the account. The page loads anew meanwhile, so the browser is read."""
    await read_until(page.context.storage_state, lambda state: not _accounts(state))


def _accounts(state: StorageState) -> list[str]:
    stored = [item for origin in state["origins"] for item in origin["localStorage"]]
    return [item["value"] for item in stored if item["name"] == "account"]


async def visit_staff(site: Site, page: Page, heading: str) -> None:
    await page.goto(f"{site.url}/staff/people")
    await expect(page.get_by_role("heading", level=1)).to_have_text(heading)


@pytest_asyncio.fixture(loop_scope="session")
async def admin(staff_stack: Stack) -> str:
    """The address of an admin."""
    email = "leaves-from-a-staff-page@staff.example"
    await grant_role(staff_stack, email, "admin")
    return email


async def test_a_sign_out_leaves_nothing_in_any_tab(make_event: MakeEvent, visit: OpenPage, admin: str) -> None:
    site = await make_event("GA=9")
    page = await visit(site.url)
    await sign_in(site, page, admin)
    traces = await book(site, page, "Leaves From Staff", admin)
    booking = await visit(f"{site.url}/booking/{traces.reference}", context=page.context)
    await expect_codes(booking, 1)
    other = await visit(f"{site.url}/staff/people", context=page.context)
    await expect(other.locator(".staff-table")).to_contain_text(admin)
    await visit_staff(site, page, texts.PEOPLE)
    await page.get_by_role("button", name=texts.SIGN_OUT).click()
    await expect_signed_out(page)
    await expect_title(booking, words("booking.missing.title"))
    await expect_signed_out(other)
    await expect(other.get_by_text(admin)).to_have_count(0)
    await expect_nothing(site, page, traces)


async def test_a_sign_out_whose_response_is_lost_leaves_nothing(
    make_event: MakeEvent, visit: OpenPage, admin: str
) -> None:
    site = await make_event("GA=9")
    page = await visit(site.url)
    await sign_in(site, page, admin)
    traces = await book(site, page, "Lost Response Of Staff", admin)
    await visit_staff(site, page, texts.PEOPLE)
    # The button sends its event into a connection that is about to end.
    await page.evaluate("WebSocket.prototype.send = () => {}")
    await page.get_by_role("button", name=texts.SIGN_OUT).click()
    await end_sessions(site, admin)
    await page.reload()
    await expect_signed_out(page)
    await expect_guest(page)
    await expect_nothing(site, page, traces)


async def test_a_sign_out_on_a_buyers_page_empties_the_staff_pages(
    make_event: MakeEvent, visit: OpenPage, admin: str
) -> None:
    site = await make_event("GA=9")
    page = await visit(site.url)
    await sign_in(site, page, admin)
    staff = await visit(f"{site.url}/staff/people", context=page.context)
    await expect(staff.locator(".staff-table")).to_contain_text(admin)
    await page.get_by_role("button", name=words("account.sign_out"), exact=True).click()
    await expect_signed_out(staff)
    await expect(staff.get_by_text(admin)).to_have_count(0)


async def test_an_account_without_a_role_can_sign_out(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=9")
    page = await visit(site.url)
    await sign_in(site, page, "leaves-without-a-role@buyers.example")
    await visit_staff(site, page, texts.NO_ROLE[0])
    await page.get_by_role("button", name=texts.SIGN_OUT).click()
    await expect_signed_out(page)
    await expect_guest(page)
