"""A check of a page's width: nothing scrolls sideways, and every text stays inside its card."""

from playwright.async_api import Page

# A text may leave its card by a rounded pixel. Hidden texts, and the seat map, which scrolls by itself, do not count.
_FIND = """() => {
    const cards = ".stub, .tier, .event-card a, .booking, .notice, .dialog, .summary, .ticket, button, a, body";
    const faults = [];
    const { scrollWidth } = document.documentElement;
    if (scrollWidth > innerWidth) faults.push(`the page is ${scrollWidth} px wide`);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    while (walker.nextNode()) {
        const text = walker.currentNode;
        const parent = text.parentElement;
        if (!text.data.trim() || parent.closest(".unseen, .skip, .plan, script, style, select")) continue;
        range.selectNodeContents(text);
        const card = parent.closest(cards);
        const { left, right } = card.getBoundingClientRect();
        const [from, to] = card === document.body ? [0, innerWidth] : [Math.max(left, 0), Math.min(right, innerWidth)];
        for (const rect of range.getClientRects())
            if (rect.width > 0 && (rect.left < from - 1 || rect.right > to + 1))
                faults.push(`${rect.left} to ${rect.right} in ${from} to ${to}: ${text.data.slice(0, 40)}`);
    }
    return faults;
}"""


async def overflows(page: Page) -> list[str]:
    """Return a text for each part of the page that is too wide for its place."""
    found: list[str] = await page.evaluate(_FIND)
    return found
