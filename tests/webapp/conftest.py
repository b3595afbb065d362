"""What the browser tests share: a system behind a breakable network, and pages that may not misbehave."""

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request

from tests.conftest import StartStack
from tests.gate import Gate
from tests.stack import Stack

SCREENSHOTS = Path(__file__).parents[2] / ".test-artifacts" / "screenshots"
PHONE = (390, 844)
# What a browser itself writes when the API is down, or websockets are blocked, on purpose.
_EXPECTED_ERRORS = re.compile(r"Failed to load resource|net::ERR_|WebSocket connection to '[^']+' failed: ")


@dataclass
class Site:
    """A running system whose two ways to the API, the browser's and the web server's, can be broken."""

    stack: Stack
    browser_gate: Gate
    server_gate: Gate

    web_environment: dict[str, str]

    @property
    def url(self) -> str:
        return self.stack.web_url

    async def start_web(self) -> None:
        """Start the web app, on the same port as before, with its ways to the API through the gates."""
        api_environment = self.stack.environment
        self.stack.environment = {**api_environment, **self.web_environment}
        await self.stack.start_web()
        self.stack.environment = api_environment

    async def stop_web(self) -> None:
        """Stop the web app; its pages stay open in the browser."""
        await self.stack._processes["web"].stop()

    async def sell(self, tier: str, quantity: int, user_id: str = "somebody-else") -> httpx.Response:
        """Book past the web app, as another buyer does."""
        body = {"tier": tier, "quantity": quantity, "userId": user_id}
        async with httpx.AsyncClient(base_url=self.stack.api_url, timeout=30) as http:
            return await http.post("/api/bookings", json=body)

    async def orders(self, user_id: str) -> list[tuple[str, str]]:
        """Return a user's orders, as reference and status, from the database."""
        async with await psycopg.AsyncConnection.connect(self.stack.database_url) as conn:
            cursor = await conn.execute("select reference, status from orders where user_id = %s", (user_id,))
            return await cursor.fetchall()


StartSite = Callable[..., Awaitable[Site]]
OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture
async def start_site(start_stack: StartStack) -> AsyncIterator[StartSite]:
    """Start a system; every payment succeeds unless `env` says otherwise."""
    async with contextlib.AsyncExitStack() as gates:

        async def start(*, env: Mapping[str, str] | None = None, private_server: bool = False) -> Site:
            settings = {"PAYMENT_SUCCESS_RATE": "1", "MAX_TICKETS_PER_BOOKING": "1000"}
            stack = await start_stack(env={**settings, **(env or {})}, private_server=private_server)
            browser_gate = await gates.enter_async_context(Gate(stack.api_port))
            server_gate = await gates.enter_async_context(Gate(stack.api_port))
            site = Site(
                stack,
                browser_gate,
                server_gate,
                {
                    "API_PORT": str(server_gate.port),
                    "PUBLIC_API_URL": f"http://localhost:{browser_gate.port}",
                    "MAX_TICKETS_PER_BOOKING": "10",
                },
            )
            await site.start_web()
            return site

        yield start


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Open pages that must not write errors to the console, nor ask any other host for anything."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def check_request(request: Request) -> None:
        if urlsplit(request.url).hostname not in {"localhost", "127.0.0.1", None}:
            complaints.append(f"request to {request.url}")

    async def open_(
        address: str,
        *,
        size: tuple[int, int] = PHONE,
        dark: bool = False,
        context: BrowserContext | None = None,
    ) -> Page:
        if context is None:
            context = await browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if dark else "light",
                locale="en-US",
            )
            contexts.append(context)
        page = await context.new_page()
        page.on("request", check_request)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"console: {message.text}")
                if message.type in {"error", "warning"} and not _EXPECTED_ERRORS.search(message.text)
                else None
            ),
        )
        await page.goto(address)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert complaints == []


async def shot(page: Page, name: str) -> None:
    """Keep what the page looks like, and see that nothing sticks out sideways."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True, animations="disabled")
    width, inner = await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= inner
