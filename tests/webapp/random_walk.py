"""A random walk over the controls of an event's page, and the check of the page after each step."""

from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page

# Record the last responses with counts: a page that is about to draw the newest still shows the one before.
RECORD = """(() => {
    window.countsReceived = [];
    const { fetch } = window;
    window.fetch = async (...request) => {
        const response = await fetch(...request);
        if (response.ok && response.url.includes("/tickets/availability"))
            window.countsReceived = [await response.clone().json(), ...window.countsReceived].slice(0, 3);
        return response;
    };
})()"""

# Every text of the check names a fault.
_CHECK = """(prices) => {
    const faults = [];
    const one = (selector) => document.querySelector(selector);
    const text = (selector) => one(selector)?.textContent ?? "";
    const expect = (name, shown, right) => {
        if (String(shown) !== String(right)) faults.push(`${name}: ${shown}, not ${right}`);
    };
    expect("error page", one("[role=alert]") !== null, false);
    if (document.documentElement.scrollWidth > innerWidth)
        faults.push(`${document.documentElement.scrollWidth} px wide, not ${innerWidth}`);
    const items = JSON.parse(one("input[name=items]")?.value ?? "[]");
    const picks = items.flatMap(({ ticketIds }) => ticketIds.map(String));
    const tiers = [...new Set(items.map(({ tier }) => tier))];
    const count = (tier) => items.reduce((sum, item) => sum + (item.tier === tier ? item.quantity : 0), 0);
    const quantity = tiers.reduce((sum, tier) => sum + count(tier), 0);
    const mine = [...document.querySelectorAll(".house .seat:is([data-state=mine], [data-state=offered])")]
        .map(({ dataset }) => dataset.seat);
    if (one(".house")) expect("picked seats on the map", mine.sort(), [...picks].sort());
    if (quantity > 10) faults.push(`${quantity} tickets`);
    if (one(".summary-total")) {
        if (!one(".summary-lost")) {
            for (const card of document.querySelectorAll(".tier"))
                expect("quantity that is booked", card.querySelector("output").textContent, count(card.dataset.tier));
        }
        const sum = tiers.reduce((total, tier) => total + prices[tier] * count(tier), 0);
        const total = `$${sum.toLocaleString("en-US")}`;
        const byNumber = items.filter(({ ticketIds, isOffered }) => ticketIds.length === 0 || isOffered);
        const seats = items.filter((item) => !byNumber.includes(item)).flatMap(({ ticketIds }) => ticketIds);
        const isNamedOnce = items.length === 1 && seats.length === 0 && !one(".picks li:not([data-fault=''])");
        const chips = isNamedOnce ? 0 : byNumber.length + seats.length;
        expect("chips", document.querySelectorAll(".summary .picks li").length, chips);
        const selection = tiers.length === 1 ? `${quantity} \\u00d7 ${tiers[0]}` : `${quantity} tickets`;
        expect("selection", text(".summary-line > span"), selection);
        expect("total", text(".summary-total").trim(), `${total} USD`);
        if (one(".summary .submit")) expect("button", text(".summary .submit"), `Book for ${total}`);
    }
    const counts = [...document.querySelectorAll(".counts li")].map((item) =>
        `${item.dataset.tier}=${Number.parseInt(item.lastChild.textContent)}`);
    const received = window.countsReceived.map((body) =>
        Object.entries(body).map(([name, { available }]) => `${name}=${available}`).join());
    if (!received.includes(counts.join())) faults.push(`counts: ${counts}, not ${received.join(" or ")}`);
    return faults;
}"""

# Mulberry32, a small generator with a seed. A step is a click on a control of a random kind, or a poll.
_WALK = f"""async ({{ seed, steps, prices }}) => {{
    const check = {_CHECK};
    let state = seed;
    const random = (below) => {{
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    }};
    const kinds = [
        ".house .seat circle", ".house .seat circle", ".house .seat[data-state=free] circle", ".picks button:enabled",
        ".house .seat[data-state=free] circle", ".stepper button:enabled", ".stepper button:enabled",
        ".stepper button:enabled", ".best:enabled", ".zoom button:enabled", ".seat-list input:enabled",
        ".map .text-button", ".best-seats button", ".summary .text-button, .lost-actions button",
        "[data-kind=seat_lost] button", "poll",
    ];
    const click = {{ bubbles: true, cancelable: true }};
    for (let step = 1; step <= steps; step += 1) {{
        const kind = kinds[random(kinds.length)];
        const controls = kind === "poll" ? [] : document.querySelectorAll(kind);
        if (kind === "poll") document.dispatchEvent(new Event("visibilitychange"));
        else if (controls.length > 0)
            controls[random(controls.length)].dispatchEvent(new MouseEvent("click", click));
        await new Promise((done) => setTimeout(done));
        const faults = check(prices);
        if (faults.length > 0) return [`step ${{step}} (${{kind}})`, ...faults];
    }}
    return [];
}}"""


@dataclass(frozen=True)
class Walk:
    """A walk on a page; `prices` are those of the tiers."""

    page: Page
    prices: dict[str, int]

    async def go(self, seed: int, steps: int) -> list[str]:
        """Take steps and check the page after each; return the faults of the first bad step."""
        found: list[str] = await self.page.evaluate(_WALK, {"seed": seed, "steps": steps, "prices": self.prices})
        return found

    async def faults(self) -> list[str]:
        """Return the present faults of the page."""
        found: list[str] = await self.page.evaluate(_CHECK, self.prices)
        return found

    async def shown(self) -> dict[str, Any]:
        """Return the counts by tier, the states of seats by id, with `mine` for picks, and the picked seats."""
        found: dict[str, Any] = await self.page.evaluate(
            """() => ({
                counts: Object.fromEntries([...document.querySelectorAll(".counts li")].map((item) =>
                    [item.dataset.tier, Number.parseInt(item.lastChild.textContent)])),
                free: [...document.querySelectorAll(".house .seat")]
                    .filter(({ dataset }) => ["free", "mine", "offered"].includes(dataset.state))
                    .map(({ dataset }) => Number(dataset.seat)).sort((a, b) => a - b),
                picks: JSON.parse(document.querySelector("input[name=items]").value)
                    .flatMap(({ ticketIds }) => ticketIds),
            })"""
        )
        return found

    async def items(self) -> list[dict[str, Any]]:
        """Return the items that the form would book."""
        found: list[dict[str, Any]] = await self.page.evaluate(
            "JSON.parse(document.querySelector('input[name=items]').value)"
        )
        return found

    async def poll(self) -> None:
        """Make the page poll now."""
        await self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
