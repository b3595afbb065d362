"""Pages in a browser that blocks site data: only remembering is lost."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import ConsoleMessage, Page, expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import PHONE, Visitors, choose
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A browser that blocks site data throws at each access. The list covers all storage that a page can have.
_BLOCK = """
for (const [owner, names] of [
    [Window.prototype, ["localStorage", "sessionStorage", "indexedDB", "caches", "cookieStore"]],
    [Document.prototype, ["cookie"]],
    [Navigator.prototype, ["locks", "storage", "serviceWorker"]],
])
    for (const name of names) {
        const refuse = () => { throw new DOMException(`${name} is blocked`, "SecurityError"); };
        // Some of these are properties of the object itself.
        for (const target of [owner, owner === Window.prototype ? window : owner])
            Object.defineProperty(target, name, { get: refuse, set: refuse, configurable: true });
    }
"""


def _is_fault(message: ConsoleMessage) -> bool:
    return message.type == "error" and not message.text.startswith("Failed to load resource")


@pytest_asyncio.fixture(loop_scope="session")
async def page(visitors: Visitors) -> AsyncIterator[Page]:
    """A page of a browser that blocks site data. The page must neither throw nor report an error."""
    async with visitors.visitor() as context:
        page = await context.new_page()
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await page.add_init_script(_BLOCK)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        # React Router warns that it restores no scroll position.
        page.on("console", lambda message: errors.append(message.text) if _is_fault(message) else None)
        yield page
    assert errors == []


async def _check_blocked(page: Page) -> None:
    """Check that the page has no access to its storage."""
    for name in ("localStorage", "sessionStorage", "document.cookie", "navigator.locks"):
        assert (
            await page.evaluate(f"(() => {{ try {{ return {name}; }} catch {{ return 'blocked'; }} }})()") == "blocked"
        )


async def test_without_site_data_a_browser_books_and_cancels(make_event: MakeEvent, page: Page) -> None:
    site = await make_event("VIP=20,GA=20", name="No Cookies")
    await page.goto(site.url)
    await page.get_by_role("link", name="No Cookies").click()
    await choose(page, "VIP")
    await page.get_by_label(words("user.label")).fill("nobody-remembers")
    await page.locator("button.submit").click()
    await page.wait_for_url("**/booking/*")
    reference = page.url.rpartition("/")[2]
    await expect(page.locator("#reference")).to_have_text(reference)
    assert await site.orders("nobody-remembers") == [(reference, "confirmed")]

    # The page itself remembers the name.
    await page.get_by_label(words("nav.label")).get_by_role("link", name=words("nav.bookings")).click()
    await expect(page.get_by_label(words("user.label"))).to_have_value("nobody-remembers")
    await expect(page.locator(".booking")).to_contain_text("No Cookies")
    await page.get_by_role("link", name=words("bookings.show_tickets")).or_(page.locator(".booking a")).first.click()
    await page.get_by_role("button", name=words("booking.cancel")).click()
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(words("booking.cancelled.title"))
    assert await site.orders("nobody-remembers") == [(reference, "cancelled")]
    await _check_blocked(page)


async def test_without_site_data_every_page_loads(make_event: MakeEvent, page: Page) -> None:
    site = await make_event("GA=20")
    reference = (await site.sell("GA", 1)).json()["reference"]
    for path, ready in (
        ("/", ".event-card"),
        (f"/event/{site.event}", ".tier:not(.skeleton)"),
        (f"/booking/{reference}", "#reference"),
        ("/bookings", "form.who"),
        ("/no-such-page", ".sheet h1"),
    ):
        await page.goto(f"{site.url}{path}")
        await expect(page.locator(ready).first).to_be_visible()
        await page.get_by_role("button", name=words("mode.switch")).click()
        await expect(page.locator("html")).to_have_class(re.compile("dark"))
        await page.get_by_label(words("language.label")).select_option("de")
        await expect(page.get_by_role("link", name=words("nav.bookings", "de")).first).to_be_visible()
    await _check_blocked(page)
