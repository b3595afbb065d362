"""A page is whole although a translator has replaced its texts before its scripts arrive."""

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.webapp.site import MakeEvent, Site
from tests.webapp.translator import read, translate_before_hydration, translate_early
from tests.webapp.visitors import SOON_S, OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

NIGHT = "rgb(4, 18, 23)"
# Record in `observers` the mutation observers of the whole document that have not ended.
_RECORD_OBSERVERS = """
    globalThis.observers = new Set();
    const { observe, disconnect } = MutationObserver.prototype;
    MutationObserver.prototype.observe = function (target, options) {
        if (target === document) observers.add(this);
        observe.call(this, target, options);
    };
    MutationObserver.prototype.disconnect = function () {
        observers.delete(this);
        disconnect.call(this);
    };
"""
# `wait_for_function` would add an observer of its own.
_WAIT_FOR_END = """async () => {
    while (globalThis.observersAtFirst === undefined || observers.size > 1) await new Promise(requestAnimationFrame);
}"""


@pytest.mark.parametrize(("locale", "direction"), [("en-US", ""), ("ar-EG", "rtl")])
async def test_a_page_translated_before_its_scripts_arrive_keeps_its_language_and_colours(
    locale: str, direction: str, make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5,GA=5")
    page = await visit("about:blank", dark=True, locale=locale)
    await translate_early(page)

    async def load(route: Route) -> None:
        await page.locator("font").first.wait_for(state="attached")
        await route.continue_()

    # The fixture fails if the page reports an error.
    await page.route("**/assets/entry.client-*.js", load)
    await page.goto(site.event_url)
    await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
    root = page.locator("html")
    await expect(root).to_have_attribute("lang", locale if direction else "en")
    assert await root.evaluate("(root) => root.dir") == direction
    await expect(root).to_have_class(re.compile("dark"))
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == NIGHT
    await page.get_by_label(re.compile(words("user.label", locale[:2]))).fill(f"early-{locale}")
    await page.locator("button.submit").click()
    await expect(page.locator("article")).to_have_attribute("data-state", "confirmed")
    assert (await read(page, "#reference"), "confirmed") in await site.orders(f"early-{locale}")


async def test_a_translation_between_the_scripts_and_the_hydration_is_no_error(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5,GA=5")
    page = await visit("about:blank")
    await translate_before_hydration(page)
    # The fixture fails if the page reports an error.
    await page.goto(site.event_url)
    await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
    await expect(page.locator("font").first).to_be_attached()


async def test_a_page_observes_translations_only_until_it_is_interactive(inline_site: Site, visit: OpenPage) -> None:
    page = await visit("about:blank")
    await page.add_init_script(_RECORD_OBSERVERS)

    async def append(route: Route) -> None:
        response = await route.fetch()
        script = await response.text()
        await route.fulfill(response=response, body=f"{script}\n;globalThis.observersAtFirst = observers.size;")

    await page.route("**/assets/entry.client-*.js", append)
    await page.goto(inline_site.url)
    async with asyncio.timeout(SOON_S):
        await page.evaluate(_WAIT_FOR_END)
    # The other observer restores nodes for as long as the page is open.
    assert await page.evaluate("[observersAtFirst, observers.size]") == [2, 1]
