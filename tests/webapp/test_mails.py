"""E-mails on a phone: a long reference breaks instead of widening the message, and seats have their order."""

import base64
import re

import msgspec
import pytest
from playwright.async_api import Page, expect

from api.schemas import Locale
from api.services.mail.compose import compose
from tests.unit.services.mail.test_compose import EARLIER, KINDS, LOCALES, NOW, SENDER, body, facts, message, sent
from tests.webapp.appearance import NARROWEST, take_picture
from tests.webapp.visitors import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFERENCE = "bk_73fw4duz27hzohbpyuhnaxqhw3"
# Return the left edges of two words of the first line that has both.
_EDGES = """(words) => {
    const nodes = document.createNodeIterator(document.body, NodeFilter.SHOW_TEXT);
    for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
        const starts = words.map((word) => node.data.indexOf(word));
        if (starts.includes(-1)) continue;
        return starts.map((start, index) => {
            const range = document.createRange();
            range.setStart(node, start);
            range.setEnd(node, start + words[index].length);
            return range.getBoundingClientRect().left;
        });
    }
}"""
_WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"


async def show(page: Page, html: str) -> None:
    """Show a message without its images, whose size is in the HTML."""
    pixel = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()
    await page.set_content(re.sub("cid:[a-z0-9-]+", f"data:image/svg+xml;base64,{pixel}", html))


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_message_is_not_wider_than_a_phone(locale: Locale, visit: OpenPage) -> None:
    page = await visit("about:blank", size=(NARROWEST, 640))
    for kind in KINDS:
        order = facts(kind)
        order = msgspec.structs.replace(order, order=msgspec.structs.replace(order.order, reference=REFERENCE))
        before = EARLIER if kind == "event_changed" else None
        mail = sent(compose(message(kind, locale=locale), order, SENDER, NOW, before))
        await show(page, body(mail, "html"))
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await take_picture(page, f"mail-{kind}-{locale}")
        width, inner = await page.evaluate(_WIDTHS)
        assert width <= inner == NARROWEST, kind


@pytest.mark.parametrize(("locale", "word"), [("en", "seat"), ("de", "Platz"), ("ar", "المقعد")])
async def test_a_seat_has_the_direction_of_its_language(locale: Locale, word: str, visit: OpenPage) -> None:
    page = await visit("about:blank")
    mail = sent(compose(message(locale=locale), facts(), SENDER, NOW))
    await show(page, body(mail, "html"))
    await expect(page.locator("dd").first).to_be_visible()
    tier, seat = await page.evaluate(_EDGES, ["VIP", word])
    assert (tier > seat) == (locale == "ar")
