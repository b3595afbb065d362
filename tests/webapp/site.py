"""A running system whose network between browsers and the API a test can break."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from api.commands.seed import TierPlan, parse_inventory, seed
from api.database.embedded import EmbeddedServer
from api.schemas import BUILT_IN_EVENT
from tests.conftest import running_stacks
from tests.faulty_proxy import FaultyProxy
from tests.stack import PATIENT, PLAIN_HTTP, Stack
from tests.waiting import order_where, read_until

BOOKINGS = " /api/bookings"
"""Matches the requests that book, cancel and look up orders; see `FaultyProxy`."""

READS = "GET /api/(events|tickets/(availability|states))"
"""Matches the requests for events, counts and seats."""

BEST = "GET /api/tickets/best"
"""Matches the searches for the best seats."""

TICKETS_MAX = 10
"""The most tickets of an order, unless its event has another limit; the default of `MAX_TICKETS_PER_BOOKING`."""

HTTP_TIMEOUT_S = 30.0
"""The time limit of a test's own requests."""

_numbers = itertools.count(1)


@dataclass
class Site:
    """A running system whose network between browsers and the API a test can break."""

    stack: Stack
    network: FaultyProxy

    event: str = BUILT_IN_EVENT
    """Slug of the event that the tests use."""

    @property
    def url(self) -> str:
        return self.stack.web_url

    @property
    def event_url(self) -> str:
        return f"{self.url}/event/{self.event}"

    async def make_event(self, inventory: str | tuple[TierPlan, ...], columns: Mapping[str, object]) -> "Site":
        """Make an event in this running system, and return the system with that event.

        `columns` are set in its row of `events` before the API reads it.
        """
        plans = parse_inventory(inventory) if isinstance(inventory, str) else inventory
        site = replace(self, event=f"event-{next(_numbers)}")
        await asyncio.to_thread(seed, self.stack.database_url, event=site.event, inventory=plans)
        if columns:
            await site.set_columns(**columns)
        return site

    async def set_columns(self, **columns: object) -> None:
        """Set columns of the event's row."""
        values = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in columns.items()
        )
        async with await psycopg.AsyncConnection.connect(self.stack.database_url) as conn:
            await conn.execute(sql.SQL("update events set {} where slug = {}").format(values, sql.Literal(self.event)))

    async def start_web(self) -> None:
        """Start the web server, whose pages reach the API through the breakable network."""
        api_environment = self.stack.environment
        address = {"PUBLIC_API_URL": f"http://localhost:{self.network.port}"}
        self.stack.environment = {**api_environment, **address}
        await self.stack.start_web()
        self.stack.environment = api_environment

    def connect(self) -> httpx.AsyncClient:
        """Return a client of the API, without the breakable network."""
        return httpx.AsyncClient(base_url=self.stack.api_url, timeout=HTTP_TIMEOUT_S, verify=PLAIN_HTTP)

    async def sell(
        self, tier: str, quantity: int, user_id: str = "somebody-else", *, ticket_ids: Sequence[int] = ()
    ) -> httpx.Response:
        """Book through the API, as another buyer; with `ticket_ids` these seats."""
        seats = {"ticketIds": list(ticket_ids)} if ticket_ids else {}
        body = {"tier": tier, "quantity": quantity, "userId": user_id, **seats}
        async with self.connect() as http:
            return await http.post("/api/bookings", json=body, params={"event": self.event})

    async def sell_many(self, tier: str, quantity: int) -> list[str]:
        """Book more tickets than one order can have, as another buyer; return the references of the orders."""
        references = []
        for sold in range(0, quantity, TICKETS_MAX):
            response = await self.sell(tier, min(TICKETS_MAX, quantity - sold))
            references.append(response.raise_for_status().json()["reference"])
        return references

    async def cancel(self, reference: str, user_id: str) -> None:
        """Cancel an order through the API."""
        async with self.connect() as http:
            response = await http.post(f"/api/bookings/{reference}/cancel", json={"userId": user_id})
            response.raise_for_status()

    async def until_settled(self, reference: str) -> None:
        """Wait until an order is no longer pending."""
        await self._until(reference, lambda order: order["status"] != "pending")

    async def until(self, reference: str, status: str, *, refund: float | None = None) -> None:
        """Wait until an order has a status and a refund (None: no refund)."""
        await self._until(reference, lambda order: (order["status"], order.get("refund")) == (status, refund))

    async def _until(self, reference: str, fits: Callable[[dict[str, Any]], bool]) -> None:
        async with self.connect() as http:
            await order_where(http, reference, fits)

    async def orders(self, user_id: str) -> list[tuple[str, str]]:
        """Return a user's orders, as reference and status, from the database."""
        async with await psycopg.AsyncConnection.connect(self.stack.database_url) as conn:
            cursor = await conn.execute("select reference, status from orders where user_id = %s", (user_id,))
            return await cursor.fetchall()

    async def until_ordered(self, user_id: str) -> None:
        """Wait until the database has an order of a user."""
        await read_until(lambda: self.orders(user_id), bool)


StartSite = Callable[..., Awaitable[Site]]

MakeEvent = Callable[..., Awaitable[Site]]
"""`await make_event("VIP=10,GA=50", starts_at=…)`: an event with this inventory, and columns of its row."""


@contextlib.asynccontextmanager
async def starting_sites(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[StartSite]:
    async with running_stacks(request.node, server) as start_stack, contextlib.AsyncExitStack() as networks:

        async def start(
            *, env: Mapping[str, str] | None = None, private_server: bool = False, worker: bool = False
        ) -> Site:
            stack = await start_stack(
                env={"PAYMENT_SUCCESS_RATE": "1", **(env or {})}, private_server=private_server, worker=worker
            )
            network = await networks.enter_async_context(FaultyProxy(stack.api_port))
            site = Site(stack, network)
            await site.start_web()
            return site

        yield start


_UNLIMITED = {
    "MESSAGE_REQUESTS_PER_MINUTE": "0",
    "PASSKEY_CHALLENGES_PER_MINUTE": "0",
    "SIGN_INS_PER_ADDRESS_PER_MINUTE": "0",
}
"""All visitors of a shared system have one address, whose limits would depend on the speed of the tests."""


@contextlib.asynccontextmanager
async def shared_site(
    request: pytest.FixtureRequest,
    server: EmbeddedServer,
    env: Mapping[str, str] | None = None,
    *,
    private_server: bool = False,
    worker: bool = False,
) -> AsyncIterator[Site]:
    """Run a system for many tests; without asynchronous payments its pages need no worker.

    Only a private server may stop, so that other systems need no short time limits.
    """
    patience = {} if private_server else PATIENT
    async with starting_sites(request, server) as start:
        yield await start(env={**patience, **_UNLIMITED, **(env or {})}, private_server=private_server, worker=worker)


@contextlib.asynccontextmanager
async def making_events(site: Site) -> AsyncIterator[MakeEvent]:
    """Yield a function that makes events in a shared system. Repair the system's network afterwards."""

    async def make(inventory: str | tuple[TierPlan, ...], /, **columns: object) -> Site:
        return await site.make_event(inventory, columns)

    try:
        yield make
    finally:
        site.network.mend()
