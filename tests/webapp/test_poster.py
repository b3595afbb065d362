"""The poster of an event has its final height before the event is known."""

import pytest
from playwright.async_api import expect

from tests.webapp.site import READS, MakeEvent
from tests.webapp.visitors import DESKTOP, PHONE, OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEAD = "Brass, strings and a choir of forty open the season with songs of the northern coast, after a long winter."
FORM_TOP = "document.querySelector('form').getBoundingClientRect().top"


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
async def test_the_form_stays_when_the_poster_gets_its_texts(
    size: tuple[int, int], make_event: MakeEvent, visit: OpenPage
) -> None:
    # A phone has no room for two lines of the description.
    lead = LEAD if size == DESKTOP else ""
    site = await make_event("GA=5", doors_at="2027-06-18T23:00:00Z", starts_at="2027-06-19T00:00:00Z", description=lead)
    page = await visit("about:blank", size=size)
    site.network.hold(READS)
    await page.goto(site.event_url)
    await expect(page.locator(".skeleton")).to_have_count(3)
    before = await page.evaluate(FORM_TOP)
    site.network.release()
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    assert await page.evaluate(FORM_TOP) == before
