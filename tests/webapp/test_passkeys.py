"""Passkeys in the browser, with the virtual authenticator of Chromium: adding, signing in and deleting."""

import asyncio
from typing import Any

import psycopg
import pytest
from playwright.async_api import CDPSession, Locator, Page, expect

from tests.webapp.accounts import sign_in
from tests.webapp.appearance import check_page
from tests.webapp.site import Site
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Device:
    """The virtual authenticator of a page."""

    def __init__(self, session: CDPSession, authenticator: str) -> None:
        self._session = session
        self._named = {"authenticatorId": authenticator}

    async def credentials(self) -> list[dict[str, Any]]:
        """Return the passkeys of the device."""
        found = await self._session.send("WebAuthn.getCredentials", self._named)
        credentials: list[dict[str, Any]] = found["credentials"]
        return credentials

    async def add(self, credential: dict[str, Any]) -> None:
        """Copy a passkey of another device."""
        await self._session.send("WebAuthn.addCredential", {**self._named, "credential": credential})

    async def refuse(self) -> None:
        """Let the user fail every verification."""
        await self._session.send("WebAuthn.setUserVerified", {**self._named, "isUserVerified": False})


async def attach(page: Page) -> Device:
    """Give a page a device without passkeys."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable", {"enableUI": False})
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return Device(session, made["authenticatorId"])


async def unfold(page: Page) -> Locator:
    """Open the section of the passkeys."""
    section = page.locator(".passkeys")
    await section.get_by_text(words("passkeys.title"), exact=True).click()
    await expect(section.get_by_role("button", name=words("passkeys.add"))).to_be_visible()
    return section


async def add(page: Page, name: str) -> Locator:
    """Add one with a name in the section, which is open."""
    section = page.locator(".passkeys")
    await section.get_by_label(words("passkeys.name")).fill(name)
    await section.get_by_role("button", name=words("passkeys.add")).click()
    await expect(section.get_by_role("status")).to_have_text(words("passkeys.done"))
    return section


async def leave(page: Page) -> None:
    """Sign out, and open the page that signs in."""
    await page.get_by_role("button", name=words("account.sign_out"), exact=True).click()
    await expect(page.locator("form.who")).to_be_visible()
    await page.get_by_role("link", name=words("sign_in.title")).click()


async def present(page: Page) -> None:
    """Sign in with the passkey of the device."""
    await page.get_by_role("button", name=words("sign_in.by_passkey")).click()


async def test_a_passkey_signs_in_until_it_is_deleted(inline_site: Site, visit: OpenPage) -> None:
    site, email = inline_site, "passkey@example.org"
    page = await visit(f"{site.url}/sign-in")
    device = await attach(page)
    await sign_in(site, page, email)
    section = await unfold(page)
    await add(page, "my phone")
    await expect(section.get_by_role("listitem")).to_contain_text(["my phone"])
    await expect(section.get_by_role("listitem")).to_contain_text([words("passkeys.unused")])
    await check_page(page, "passkeys")
    # The device has a passkey of the account.
    await section.get_by_role("button", name=words("passkeys.add")).click()
    await expect(section.get_by_role("status")).to_have_text(words("passkeys.known"))

    await leave(page)
    await check_page(page, "sign-in-passkey")
    await present(page)
    await page.wait_for_url("**/bookings")
    await expect(page.locator(".account")).to_contain_text(email)
    await unfold(page)
    await expect(section.get_by_role("listitem")).not_to_contain_text(words("passkeys.unused"))
    await section.get_by_role("button", name="my phone").click()
    await expect(section.get_by_role("status")).to_have_text(words("passkeys.deleted"))
    await expect(section.get_by_role("listitem")).to_have_count(0)
    await expect(section.locator("summary")).to_be_focused()
    assert len(await device.credentials()) == 1

    await leave(page)
    await present(page)
    await expect(page.locator(".by-passkey").get_by_role("status")).to_have_text(words("sign_in.passkey_refused"))
    # A link still signs in.
    await sign_in(site, page, email)


async def test_a_cancelled_sign_in_is_explained(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/sign-in")
    device = await attach(page)
    await sign_in(inline_site, page, "cancelled-passkey@example.org")
    await unfold(page)
    await add(page, "")
    await expect(page.locator(".passkey-name")).to_have_text(words("passkeys.default"))
    await leave(page)
    await device.refuse()
    await present(page)
    await expect(page.locator(".by-passkey").get_by_role("status")).to_have_text(words("sign_in.passkey_cancelled"))
    await expect(page.get_by_role("button", name=words("sign_in.by_passkey"))).to_be_enabled()


async def test_a_copied_passkey_is_refused(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/sign-in")
    device = await attach(page)
    await sign_in(inline_site, page, "copied-passkey@example.org")
    await unfold(page)
    await add(page, "key")
    (copy,) = await device.credentials()
    await leave(page)
    await present(page)
    await page.wait_for_url("**/bookings")
    # The copy has the counter of the time before that sign-in.
    thief = await visit(f"{inline_site.url}/sign-in")
    await (await attach(thief)).add(copy)
    await present(thief)
    await expect(thief.locator(".by-passkey").get_by_role("status")).to_have_text(words("sign_in.passkey_refused"))


async def test_an_old_session_adds_no_passkey(inline_site: Site, visit: OpenPage) -> None:
    email = "old-session@example.org"
    page = await visit(f"{inline_site.url}/sign-in")
    await attach(page)
    await sign_in(inline_site, page, email)
    section = await unfold(page)
    async with await psycopg.AsyncConnection.connect(inline_site.stack.database_url) as conn:
        await conn.execute(
            "update account_sessions set created_at = now() - interval '11 min'"
            " where account_id = (select id from accounts where email = %s)",
            [email],
        )
    await section.get_by_role("button", name=words("passkeys.add")).click()
    await expect(section.get_by_role("status")).to_have_text(words("passkeys.refused"))


async def test_a_browser_without_passkeys_shows_no_button(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/")
    await page.add_init_script("delete window.PublicKeyCredential")
    await page.goto(f"{inline_site.url}/sign-in")
    await page.get_by_text(words("sign_in.by_password")).click()
    await expect(page.locator(".by-password input[type=password]")).to_be_visible()
    await expect(page.get_by_role("button", name=words("sign_in.by_passkey"))).to_have_count(0)


@pytest.mark.parametrize("language", ["de", "ar"])
async def test_the_passkeys_are_accessible_in_other_languages(
    language: str, inline_site: Site, visit: OpenPage
) -> None:
    page = await visit(f"{inline_site.url}/sign-in")
    await attach(page)
    await sign_in(inline_site, page, f"passkey-{language}@example.org")
    await page.get_by_text(words("passkeys.title"), exact=True).click()
    await add(page, "unbreakable" * 11)
    await page.evaluate("language => localStorage.setItem('language', language)", language)
    await page.reload()
    await page.get_by_text(words("passkeys.title", language), exact=True).click()
    await expect(page.locator(".passkey-name")).to_be_visible()
    await check_page(page, f"passkeys-{language}")


async def test_the_button_is_level_with_its_field_on_wide_pages(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/sign-in", size=(1440, 900))
    form = page.locator(".by-link form")
    field, button = await asyncio.gather(form.locator("input").bounding_box(), form.locator("button").bounding_box())
    assert field is not None
    assert button is not None
    centres = [box["y"] + box["height"] / 2 for box in (field, button)]
    assert abs(centres[0] - centres[1]) <= 1
