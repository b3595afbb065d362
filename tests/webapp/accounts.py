"""Steps of the tests with accounts: the link in the e-mail, and the sign-in with it."""

import psycopg
from playwright.async_api import Page, expect

from api.config import Settings
from api.secret import load_or_create_secret
from api.services.accounts.links import sign_in_token
from api.settings.secrets import ACCESS_SECRET
from tests.webapp.site import Site
from tests.webapp.words import words


async def request_link(page: Page, email: str) -> None:
    """Request a link on the page that signs in."""
    form = page.locator(".by-link")
    await form.get_by_label(words("links.address")).fill(email)
    await form.get_by_role("button", name=words("sign_in.send")).click()
    await expect(form).to_contain_text(words("sign_in.sent"))


async def link_of(site: Site, email: str) -> str:
    """Return the link of the last e-mail to an address."""
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        cursor = await conn.execute(
            "select id::text from sign_in_links where email = %s order by message_id desc limit 1", (email,)
        )
        row = await cursor.fetchone()
    assert row is not None, f"no link for {email}"
    key = load_or_create_secret(Settings.from_env(site.stack.environment), ACCESS_SECRET)
    return f"{site.url}/sign-in#{sign_in_token(key, row[0])}"


async def press(page: Page) -> None:
    """Sign in with the link that has opened the page."""
    await page.get_by_role("button", name=words("sign_in.do")).click()


async def sign_in(site: Site, page: Page, email: str) -> None:
    """Sign in with a link on the page that signs in; afterwards the page shows the account's bookings."""
    await request_link(page, email)
    await page.goto(await link_of(site, email))
    await press(page)
    await page.wait_for_url("**/bookings")
    await expect(page.locator(".account")).to_contain_text(email)
