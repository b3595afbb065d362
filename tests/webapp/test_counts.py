"""The counts on an event's page: fresh, old, unknown, unchanged, sold out and held."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.webapp import no_webhooks
from tests.webapp.appearance import SHIFT_MAX, WATCH_SHIFTS, check_page
from tests.webapp.site import READS, MakeEvent
from tests.webapp.visitors import (
    DESKTOP,
    PHONE,
    SOON_S,
    STALE_AFTER_MS,
    OpenPage,
    add,
    draw_map,
    expect_polling,
    load_all_scripts,
    open_event,
    requests_within,
    return_to_present,
    tickets_left,
)
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
HOUSE = "VIP=20,Front Row=40,GA=100"

# The page keeps loading however slow the machine is.
_NEVER_TIME_OUT = "AbortSignal.timeout = () => new AbortController().signal"


async def _set_hidden(page: Page, *, hidden: bool) -> None:
    """Change the tab's visibility as a browser does; a headless window never changes it."""
    await page.evaluate(
        """(hidden) => {
            const state = hidden ? "hidden" : "visible";
            Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


async def test_unknown_counts_are_marked_and_the_page_does_not_jump(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await visit("about:blank", size=DESKTOP)
    await page.add_init_script(_NEVER_TIME_OUT)
    site.network.hold(READS)
    await page.goto(site.event_url)
    await expect(page.locator(".freshness")).to_have_text(words("counts.loading"))
    await expect(page.locator(".skeleton")).to_have_count(3)
    await expect(page.locator(SUBMIT)).to_be_disabled()
    assert not pattern("tier.left", left=r"\d+", total=r"\d+").search(await page.text_content("main") or "")
    places = (page.locator(SUBMIT), page.locator(".tiers"), page.get_by_label(words("user.label")))
    before = [await place.bounding_box() for place in places]
    await check_page(page, "event-loading")
    site.network.release()
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    assert [await place.bounding_box() for place in places] == before


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
@pytest.mark.parametrize(
    ("path", "loading", "loaded"), [("", ".bone-event-card", ".event-card"), ("/event/{}", ".skeleton", ".plan")]
)
async def test_nothing_jumps_when_slow_responses_arrive(
    path: str, loading: str, loaded: str, size: tuple[int, int], make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await visit("about:blank", size=size)
    await page.add_init_script(WATCH_SHIFTS)
    await page.add_init_script(_NEVER_TIME_OUT)
    site.network.hold(READS)
    await page.goto(site.url + path.format(site.event))
    await expect(page.locator(loading)).to_have_count(3)
    if not path and size == PHONE:
        await check_page(page, "home-loading")
        await page.evaluate("globalThis.shifted = 0")
    site.network.release()
    await expect(page.locator(loaded).first).to_be_visible()
    await expect(page.locator(loading)).to_have_count(0)
    assert await page.evaluate("shifted") <= SHIFT_MAX


async def test_counts_follow_other_buyers_but_not_in_a_hidden_tab(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, own_clock=True)
    await draw_map(page)
    await check_page(page, "event-live")
    await site.sell_many("VIP", 18)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.left", left=2, total=20))
    await expect(vip).to_contain_text(words("tier.low"))
    # The stepper follows the available tickets without the server.
    await add(page)
    await expect(page.get_by_role("button", name=words("quantity.more", tier="VIP"))).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$200"))
    await check_page(page, "event-few-left")

    await expect_polling(page, "/availability", 4_000)
    await _set_hidden(page, hidden=True)
    assert await requests_within(page, "/availability", 4_000) == []
    await site.sell("VIP", 1)
    await _set_hidden(page, hidden=False)
    await expect(vip).to_contain_text(words("tier.left", left=1, total=20))
    # Screen readers announce it, but not every two seconds.
    await expect(
        page.locator("[aria-live=polite]", has_text=words("counts.announce_left", tier="VIP", left=1))
    ).to_have_count(1)


async def test_exact_counts_open_on_demand_and_always_show_the_last_tickets(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.available"))
    await expect(vip).not_to_contain_text(words("tier.left", left=20, total=20))
    await expect(tickets_left(page, "VIP")).to_be_hidden()
    toggle = page.get_by_text(words("counts.left"), exact=True)
    await toggle.click()
    await expect(tickets_left(page, "VIP")).to_be_visible()
    await check_page(page, "event-counts")
    await toggle.press("Enter")
    await expect(tickets_left(page, "VIP")).to_be_hidden()
    await expect(page.get_by_text(words("quantity.limit", most=10))).to_be_visible()
    await site.sell_many("VIP", 18)
    await expect(vip).to_contain_text(words("tier.left", left=2, total=20))
    # A limit of ten is no longer the reason.
    await expect(page.get_by_text(words("tier.only_left", tier="VIP", left=2))).to_be_visible()


async def test_old_counts_are_marked_and_recover(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, own_clock=True)
    await add(page)
    site.network.freeze()
    await page.clock.fast_forward(STALE_AFTER_MS)
    await expect(page.locator(".freshness")).to_have_text(pattern("counts.stale", age=r"\d+"))
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))
    names = (
        words("quantity.more", tier="VIP"),
        words("quantity.fewer", tier="VIP"),
        words("seats.best"),
        pattern("book.button", total=".+"),
    )
    buttons = [page.get_by_role("button", name=name) for name in names]
    for button in buttons:
        await expect(button).to_be_disabled()
    await check_page(page, "event-stale")
    await site.sell("VIP", 1)
    await return_to_present(page)
    site.network.mend()
    site.network.cut()
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=19, total=20))
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    for button in buttons:
        await expect(button).to_be_enabled()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$200"))


async def test_an_offline_browser_shows_the_age_of_its_counts_and_recovers(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, own_clock=True)
    await load_all_scripts(page)
    await page.context.set_offline(True)
    await site.sell("VIP", 3)
    await page.clock.fast_forward(STALE_AFTER_MS)
    await expect(page.locator(".freshness")).to_have_text(pattern("counts.stale", age=r"\d+"))
    await expect(page.locator(".summary")).to_contain_text(words("counts.unreachable"))
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await return_to_present(page)
    await page.context.set_offline(False)
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=17, total=20))
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_a_browser_that_wrongly_reports_offline_keeps_polling(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    await page.evaluate(
        """() => {
            Object.defineProperty(navigator, "onLine", { value: false });
            dispatchEvent(new Event("offline"));
        }"""
    )
    await site.sell("VIP", 3)
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=17, total=20))
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))


async def test_counts_that_did_not_change_are_not_sent_again_and_stay_live(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    # The network's statuses: for a cached body the page itself sees 200 instead of 304.
    network = await page.context.new_cdp_session(page)
    polls: set[str] = set()
    responses: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    def note_request(event: dict[str, Any]) -> None:
        if "/api/tickets/availability" in event["request"]["url"]:
            polls.add(event["requestId"])

    def note_response(event: dict[str, Any]) -> None:
        if event["requestId"] in polls:
            headers = {name.lower(): value for name, value in event["headers"].items()}
            responses.put_nowait((event["statusCode"], headers["x-as-of"]))

    network.on("Network.requestWillBeSent", note_request)
    network.on("Network.responseReceivedExtraInfo", note_response)
    await network.send("Network.enable")
    async with asyncio.timeout(SOON_S):
        unchanged = [await responses.get() for _ in range(2)]
    assert [status for status, _ in unchanged] == [304, 304]
    # Each response states its time, so that the counts do not age.
    assert len({as_of for _, as_of in unchanged}) == 2
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    await expect(tickets_left(page, "VIP")).to_contain_text(words("tier.left", left=20, total=20))


async def test_a_tier_sells_out_and_then_the_event(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    await site.sell_many("VIP", 20)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.sold_out"))
    await expect(vip.get_by_role("button", name=words("quantity.more", tier="VIP"))).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_count(0)
    # The next best tier is one click away.
    await check_page(page, "tier-sold-out")
    await page.get_by_role("button", name=words("summary.next_best", tickets="Front Row", price="$50")).click()
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await site.sell_many("Front Row", 40)
    await site.sell_many("GA", 100)
    await expect(page.get_by_text(words("sale.sold_out.text"))).to_be_visible()
    for gone in (
        page.locator(SUBMIT),
        page.get_by_label(words("user.label")),
        page.get_by_role("region", name=words("map.title")),
    ):
        await expect(gone).to_be_hidden()
    await check_page(page, "event-sold-out")


async def test_held_tickets_are_not_shown_as_sold_out(make_event_without_webhooks: MakeEvent, visit: OpenPage) -> None:
    site = await make_event_without_webhooks("VIP=4,GA=10")
    page = await open_event(site, visit)
    await no_webhooks.hold(site, "VIP", 4)
    vip = page.locator(".tier[data-tier='VIP']")
    await expect(vip).to_contain_text(words("tier.all_held"))
    await expect(vip).to_contain_text(pattern("tier.back_in", time=r"\d:\d\d"))
    await expect(vip).not_to_contain_text(words("tier.sold_out"))
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await check_page(page, "tier-all-held")


async def test_held_tickets_lock_the_button_and_name_the_reason(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("GA=2")
    reference = await no_webhooks.hold(site, "GA", 2)
    page = await open_event(site, visit)
    summary = page.locator(".summary")
    await expect(summary).to_contain_text(words("summary.nothing", tier="GA"))
    await expect(summary).to_contain_text(pattern("tier.back_in", time=r"\d:\d\d"))
    await expect(summary.get_by_role("button")).to_have_count(0)
    await check_page(page, "event-all-held")
    await site.cancel(reference, "user-123")
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$10"))
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_missing_counts_are_not_shown_as_zero(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await visit("about:blank")
    await page.route("**/api/tickets/availability*", lambda route: route.abort())
    await page.goto(site.event_url)
    await expect(page.locator(".tier-count")).to_have_text([words("tier.unknown")] * 3)
    await expect(page.locator(".summary")).to_contain_text(words("counts.unreachable"))
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await check_page(page, "event-counts-unknown")
    await page.unroute("**/api/tickets/availability*")
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_a_failed_poll_is_not_retried_in_a_hidden_tab(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await visit("about:blank", own_clock=True)
    await page.route("**/api/tickets/availability*", lambda route: route.abort())
    await page.goto(site.event_url)
    await expect(page.locator(".summary")).to_contain_text(words("counts.unreachable"))
    await _set_hidden(page, hidden=True)
    assert await requests_within(page, "/availability", 4_000) == []
    await page.unroute("**/api/tickets/availability*")
    await _set_hidden(page, hidden=False)
    await expect(page.locator(SUBMIT)).to_be_enabled()
