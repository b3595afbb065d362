"""The time after a sale: buyers return tickets and an organiser cancels events, while faults happen.

The events are apart from the soak's event, so that returned tickets do not blur the bounds of its availability. Each
event gets some orders, loses one ticket of one of them, and is cancelled. Every step repeats until it is acknowledged.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

import msgspec
import psycopg
import psycopg_pool
from psycopg.rows import class_row

from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import open_pool
from api.services.cancellations import AlreadyCancelled, Preview, TotalsChanged, preview, start
from tests.faults.buyers import Connection
from tests.mail_server import Received

PREFIX = "after-"
"""The start of each event's slug, which is also the start of its orders' references."""
ORDERS = 3
"""Orders of an event, each with two tickets."""
PAUSE_S = 0.2
_UNAVAILABLE = (psycopg.OperationalError, psycopg_pool.PoolTimeout, CommitUnknownError, OSError, TotalsChanged)
"""Errors of a command during a fault. The organiser repeats the command."""
Value = TypeVar("Value")


class ReturnedTicket(msgspec.Struct):
    """A ticket whose return the API has acknowledged."""

    reference: str
    booking_id: int


class RefundedOrder(msgspec.Struct, kw_only=True):
    """An order of one of the events. Amounts are in minor units."""

    reference: str
    event: str
    status: str
    payment: str
    amount_minor: int
    live: list[int]
    """The ids of the live bookings."""
    refunds: list[int]
    """The amounts of the refunds that have succeeded."""
    open_refunds: int
    announced: list[str]
    """The kinds of the messages, the held order's excepted."""


class Message(msgspec.Struct):
    """A message with its id in the e-mail and its state."""

    message_id: str
    status: str
    overdue: bool
    """True if the message has been due for more than two seconds."""


class Aftermath(msgspec.Struct, kw_only=True):
    """The acknowledged returns and cancellations, the rows that they led to, and the e-mails."""

    confirmed: list[str]
    """The references of the orders that the API has reported as confirmed."""
    returned: list[ReturnedTicket]
    cancelled: list[str]
    """The slugs of the cancelled events."""
    orders: list[RefundedOrder]
    finished: list[str]
    """The slugs of the events whose cancellation is finished."""
    messages: list[Message]
    mails: list[str]
    """The ids of the received e-mails."""
    refunded: dict[str, int]
    """The sums that the provider has refunded, by reference, in minor units."""

    def summary(self) -> str:
        """Describe the size of the run."""
        return (
            f"{len(self.cancelled)} events cancelled with {len(self.orders)} orders, "
            f"{len(self.returned)} tickets returned, {len(self.mails)} mails"
        )


_ORDERS = f"""
    select orders.reference, events.slug as event, orders.status, payments.status as payment, payments.amount_minor,
        array(select id from bookings where order_id = orders.id and released_at is null order by 1) as live,
        array(
            select amount_minor from refunds where payment_id = payments.id and status = 'succeeded' order by 1
        ) as refunds,
        (select count(*) from refunds where payment_id = payments.id and status <> 'succeeded')::int as open_refunds,
        array(
            select kind from messages where order_id = orders.id and kind <> 'held' order by 1
        ) as announced
    from orders join events on events.id = event_id join payments on payments.order_id = orders.id
    where events.slug like '{PREFIX}%%'
    order by orders.id
"""  # noqa: S608 - the prefix is a constant
_FINISHED = "select slug from cancellations join events on events.id = event_id where finished_at is not null"
_MESSAGES = """
    select message_id, status, status = 'queued' and next_attempt_at < now() - interval '2 seconds' as overdue
    from messages
"""


class AfterSale:
    """Returns of tickets and cancellations of events.

    Args:
        port: the port of the API.
        database_url: the database for the organiser's commands, past every breakable network.
    """

    def __init__(self, port: int, database_url: str) -> None:
        self.confirmed: list[str] = []
        self.returned: list[ReturnedTicket] = []
        self.cancelled: list[str] = []
        self._connection = Connection(port)
        self._database_url = database_url

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Go from event to event until the context ends."""
        task = asyncio.create_task(self._run(), name="after sale")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._connection.close()

    async def _run(self) -> None:
        for number in itertools.count():
            await self._run_event(f"{PREFIX}{number}")

    async def _run_event(self, event: str) -> None:
        inventory = parse_inventory("GA=50")
        await _repeat(lambda: asyncio.to_thread(seed, self._database_url, event=event, inventory=inventory))
        orders = [await self._order(event, f"{event}-{number}") for number in range(ORDERS)]
        self.confirmed += [order["reference"] for order in orders if order["status"] == "confirmed"]
        if paid := [order for order in orders if order["status"] == "confirmed"]:
            await self._return_ticket(paid[0])
        await _repeat(lambda: self._cancel(event))
        self.cancelled.append(event)

    async def _order(self, event: str, reference: str) -> dict[str, Any]:
        """Book two tickets, and wait until they are paid or on sale again; return the order."""
        body = {"tier": "GA", "quantity": 2, "userId": reference, "bookingReference": reference}
        await self._send("POST", f"/api/bookings?event={event}", body | {"email": f"{reference}@example.org"})
        while (order := await self._send("GET", f"/api/bookings/{reference}"))["status"] == "pending":  # noqa: ASYNC110 - other processes change it
            await asyncio.sleep(PAUSE_S)
        return order

    async def _return_ticket(self, order: dict[str, Any]) -> None:
        reference, booking_id = order["reference"], order["bookings"][0]["id"]
        body = {"userId": reference, "bookings": [booking_id]}
        await self._send("POST", f"/api/bookings/{reference}/returns", body)
        self.returned.append(ReturnedTicket(reference, booking_id))

    async def _send(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Repeat a request until the API has processed it; return the content of the response."""
        while True:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                response = await self._connection.request(method, path, msgspec.json.encode(body) if body else b"")
                if response.status in {200, 201, 202, 402}:
                    content: dict[str, Any] = msgspec.json.decode(response.body)
                    return content
            await asyncio.sleep(PAUSE_S)

    async def _cancel(self, event: str) -> None:
        async with open_pool(self._database_url, Settings(statement_timeout_ms=20_000)) as pool:
            found = await preview(pool, event)
            if isinstance(found, Preview):
                with contextlib.suppress(AlreadyCancelled):
                    await start(pool, found, "the singer is ill")

    def aftermath(self, mails: Iterable[Received], refunded: dict[str, int]) -> Aftermath:
        """Return the outcome for the invariants. `refunded` has the sums of the provider by reference."""
        with psycopg.connect(self._database_url) as conn:

            def rows(kind: type[Value], query: str) -> list[Value]:
                return conn.cursor(row_factory=class_row(kind)).execute(query.encode()).fetchall()

            return Aftermath(
                confirmed=self.confirmed,
                returned=self.returned,
                cancelled=self.cancelled,
                orders=rows(RefundedOrder, _ORDERS),
                finished=[slug for (slug,) in conn.execute(_FINISHED).fetchall()],
                messages=rows(Message, _MESSAGES),
                mails=[str(received.mail["Message-ID"]) for received in mails],
                refunded={key: minor for key, minor in refunded.items() if key.startswith(PREFIX)},
            )


async def _repeat(command: Callable[[], Awaitable[Any]]) -> None:
    """Repeat a command of the organiser until no fault hits it."""
    while True:
        with contextlib.suppress(*_UNAVAILABLE):
            await command()
            return
        await asyncio.sleep(PAUSE_S)
