"""Two people in one browser or in two: neither finds anything of the other one's account."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import psycopg
import pytest
from playwright.async_api import Page, Route, expect

from tests.webapp import accounts
from tests.webapp.order_page import book_as, expect_codes, expect_title, secret_of
from tests.webapp.site import MakeEvent, Site
from tests.webapp.test_offline import WORKER_READY
from tests.webapp.visitors import OpenPage, choose
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

_STORAGE = """async () => {
    const caches_ = await Promise.all((await caches.keys()).map(async (name) =>
        (await (await caches.open(name)).keys()).map(({ url }) => url)));
    return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, caches_, document.cookie]);
}"""
# The page's requests have no time limit, so that a test can hold back a response. The console reports that the
# page shows the event, because Playwright finds no element while a new page is on its way.
_PATIENT_AND_OPEN = """
    AbortSignal.timeout = () => new AbortController().signal;
    new MutationObserver(() => {
        if (document.querySelector(".order-event-name")) console.log("event is shown");
    }).observe(document, { childList: true, subtree: true });
"""
PATHS = ("/", "/bookings", "/bookings?show=past", "/bookings?show=cancelled", "/sign-in")


@dataclass
class Traces:
    """Texts that only one person's data contains."""

    name: str
    email: str
    reference: str
    secret: str

    @property
    def all(self) -> Sequence[str]:
        return (self.name, self.email, self.reference, self.secret)


async def book(site: Site, page: Page, name: str, email: str = "") -> Traces:
    """Book a ticket on the page of the event, and wait for its code."""
    reference = await book_as(site, page, name, email)
    await expect_codes(page, 1)
    # A guest without an address leaves none behind.
    return Traces(name, email or name, reference, await secret_of(page, reference))


async def sign_in(site: Site, page: Page, email: str) -> None:
    await page.goto(f"{site.url}/sign-in")
    await accounts.sign_in(site, page, email)


async def sign_out(site: Site, page: Page) -> None:
    await page.goto(f"{site.url}/bookings")
    await page.get_by_role("button", name=words("account.sign_out"), exact=True).click()
    await expect(page.locator("form.who")).to_be_visible()


async def found(page: Page, traces: Traces) -> list[str]:
    """Return the traces in the page and in the browser's storage."""
    shown = await page.content() + str(await page.evaluate(_STORAGE))
    fields: list[str] = await page.locator("input").evaluate_all("(fields) => fields.map((field) => field.value)")
    # The address of the page may name the order that it does not show.
    return [trace for trace in traces.all if trace in "\n".join([shown, *fields])]


async def expect_nothing(site: Site, page: Page, traces: Traces) -> None:
    """Visit every page, and expect no trace of the other person."""
    for path in (*PATHS, f"/event/{site.event}"):
        await page.goto(site.url + path)
        await page.wait_for_load_state("networkidle")
        assert await found(page, traces) == [], path
    await page.goto(f"{site.url}/booking/{traces.reference}")
    await expect_title(page, words("booking.missing.title"))
    assert set(await found(page, traces)) <= {traces.reference}
    assert traces.reference not in await page.evaluate(_STORAGE)


def _respond_after(event: asyncio.Event) -> Callable[[Route], Awaitable[None]]:
    """Return a handler that holds responses back until an event."""

    async def handle(route: Route) -> None:
        response = await route.fetch()
        await event.wait()
        await route.fulfill(response=response)

    return handle


async def end_sessions(site: Site, email: str) -> None:
    """End the sessions of an account, as a sign-out in another browser does."""
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        await conn.execute(
            "update account_sessions set revoked_at = now(), revoked_reason = 'everywhere'"
            " where account_id = (select id from accounts where email = %s)",
            [email],
        )


async def test_signing_out_leaves_nothing_to_the_next_person(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=9")
    page = await visit(site.url, service_workers=True)
    await sign_in(site, page, "first-of-two@example.org")
    traces = await book(site, page, "First Of Two", "other-address-of-first@example.org")
    assert set(await found(page, traces)) == set(traces.all)
    assert await page.evaluate(WORKER_READY)
    tab = await visit(f"{site.url}/booking/{traces.reference}", context=page.context)
    await expect_codes(tab, 1)
    chosen = await visit(site.event_url, context=page.context)
    await choose(chosen)
    await chosen.evaluate("document.body.dataset.former = ''")

    await sign_out(site, page)
    await expect_title(tab, words("booking.missing.title"))
    await expect(chosen.locator("body[data-former]")).to_have_count(0)
    await expect(chosen.locator(".freshness")).to_have_text(words("counts.live"))
    for each in (page, chosen):
        assert "first" not in (await each.evaluate(_STORAGE)).lower()
    await sign_in(site, page, "second-of-two@example.org")
    await expect_nothing(site, page, traces)
    # Neither does the page that opens without a network.
    await page.context.set_offline(offline=True)
    site.network.freeze()
    await page.reload()
    await expect_title(page, words("away.title"))
    assert set(await found(page, traces)) <= {traces.reference}
    site.network.mend()
    await page.context.set_offline(offline=False)


@pytest.mark.parametrize("path", ["/bookings", "/sign-in"])
async def test_a_session_that_ends_elsewhere_leaves_nothing_after_the_next_visit(
    make_event: MakeEvent, visit: OpenPage, path: str
) -> None:
    """A staff page ends the session of this browser, and so does a sign-out everywhere in another one."""
    site = await make_event("GA=9")
    page = await visit(site.url)
    name = f"ended-{path.removeprefix('/')}"
    await sign_in(site, page, f"{name}@example.org")
    traces = await book(site, page, f"Name of {name}", f"{name}@example.org")
    tab = await visit(f"{site.url}/booking/{traces.reference}", context=page.context)
    await expect_codes(tab, 1)
    await end_sessions(site, traces.email)
    await page.goto(site.url + path)
    await expect_title(tab, words("booking.missing.title"))
    await expect_nothing(site, page, traces)


async def test_a_page_of_the_history_shows_nothing_after_the_sign_out(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=9")
    page = await visit(site.url)
    await sign_in(site, page, "history@example.org")
    traces = await book(site, page, "History Reader", "history@example.org")
    await sign_out(site, page)
    await page.go_back()
    await expect_title(page, words("booking.missing.title"))
    assert set(await found(page, traces)) <= {traces.reference}


async def test_a_restored_page_notices_the_sign_out(make_event: MakeEvent, visit: OpenPage) -> None:
    """The event of the back/forward cache, which a browser under test does not use, is imitated."""
    site = await make_event("GA=9")
    page = await visit(site.url)
    await sign_in(site, page, "restored@example.org")
    await page.evaluate("globalThis.isFormer = true")
    restore = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    await page.evaluate(restore)
    assert await page.evaluate("globalThis.isFormer")
    await page.evaluate("localStorage.setItem('signed-out', '1')")
    async with page.expect_navigation():
        await page.evaluate(restore)
    assert await page.evaluate("globalThis.isFormer === undefined")


async def test_a_guest_keeps_the_tickets_when_an_account_signs_out(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=9")
    page = await visit(site.event_url)
    traces = await book(site, page, "Guest Of The House")
    await sign_in(site, page, "visitor-of-guest@example.org")
    await sign_out(site, page)
    await page.goto(f"{site.url}/booking/{traces.reference}")
    await expect_codes(page, 1)


async def test_claimed_orders_leave_the_browser_with_their_account(make_event: MakeEvent, visit: OpenPage) -> None:
    site, email = await make_event("GA=9"), "claims-before-leaving@example.org"
    page = await visit(site.event_url)
    traces = await book(site, page, "Claims Before Leaving", email)
    await sign_in(site, page, email)
    await expect(page.locator(".booking a")).to_contain_text([traces.reference])
    await sign_out(site, page)
    await expect_nothing(site, page, traces)


async def test_claimed_orders_that_the_list_does_not_show_leave_as_well(make_event: MakeEvent, visit: OpenPage) -> None:
    site, email = await make_event("GA=9"), "claims-the-past@example.org"
    page = await visit(site.event_url)
    traces = await book(site, page, "Claims The Past", email)
    await site.set_columns(starts_at="now")
    await sign_in(site, page, email)
    await expect(page.get_by_text(words("bookings.none_upcoming"))).to_be_visible()
    await sign_out(site, page)
    await expect_nothing(site, page, traces)


async def test_a_sign_out_that_cannot_read_the_claims_does_not_happen(make_event: MakeEvent, visit: OpenPage) -> None:
    site, email = await make_event("GA=9"), "claims-unread@example.org"
    page = await visit(site.event_url)
    # An order of another guest makes the sign-out read the account's orders.
    await book(site, page, "Claims Unread")
    await sign_in(site, page, email)
    await page.route("**/api/me/orders?limit=100", lambda route: route.abort())
    button = page.get_by_role("button", name=words("account.sign_out"), exact=True)
    await button.click()
    await expect(page.locator(".account")).to_contain_text(words("sign_in.failed"))
    await page.unroute("**/api/me/orders?limit=100")
    await button.click()
    await expect(page.locator("form.who")).to_be_visible()


async def test_a_response_during_the_reload_of_a_sign_out_restores_nothing(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("GA=9")
    page = await visit(site.url)
    await sign_in(site, page, "late-response@example.org")
    traces = await book(site, page, "Late Response", "late-response@example.org")
    tab = await visit(site.url, context=page.context)
    await tab.add_init_script(_PATIENT_AND_OPEN)
    address, api_address = f"{site.url}/booking/{traces.reference}", f"**/api/bookings/{traces.reference}"
    response, new_page = asyncio.Event(), asyncio.Event()
    await tab.route(api_address, _respond_after(response))
    async with tab.expect_request(api_address):
        await tab.goto(address)
    await tab.route(address, _respond_after(new_page))
    async with tab.expect_request(address):
        await sign_out(site, page)
    # The page stores the order before it shows the event.
    async with tab.expect_console_message(lambda message: message.text == "event is shown"):
        response.set()
    assert traces.reference not in await page.evaluate(_STORAGE)
    new_page.set()
    await expect_title(tab, words("booking.missing.title"))


async def test_another_account_finds_nothing_of_an_ended_session(make_event: MakeEvent, visit: OpenPage) -> None:
    site, email = await make_event("GA=9"), "ended-elsewhere@example.org"
    page = await visit(site.url)
    await sign_in(site, page, email)
    traces = await book(site, page, "Ended Elsewhere", email)
    await end_sessions(site, email)
    await page.goto(f"{site.url}/booking/{traces.reference}")
    # The order's secret still gives its buyer access.
    await expect_codes(page, 1)
    await sign_in(site, page, "after-the-ended-one@example.org")
    await page.goto(f"{site.url}/booking/{traces.reference}")
    await expect_title(page, words("booking.missing.title"))


async def test_another_browser_shows_nothing_of_the_account(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=9")
    first, second = await visit(site.url), await visit(site.url)
    await sign_in(site, first, "first-browser@example.org")
    traces = await book(site, first, "First Browser", "second-address-of-first@example.org")
    await sign_in(site, second, "second-browser@example.org")
    own = await book(site, second, "Second Browser", "second-browser@example.org")
    await expect_nothing(site, second, traces)
    await second.goto(f"{site.url}/booking/{own.reference}")
    await expect_codes(second, 1)
