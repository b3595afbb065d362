"""The surroundings of random sequences of orders: a database with one small event, the provider, and an account."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from hypothesis.stateful import RuleBasedStateMachine
from psycopg import AsyncConnection

from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database import queries
from api.database.errors import is_retryable
from api.database.pool import Pool, open_pool
from api.database.session import Statement, open_session
from api.errors import ApiError, Forbidden, NotFound
from api.services.access import Access, digest
from api.services.accounts.sign_in import AccountRow
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, Item, NewOrder, Retry
from tests.integration.asynchronous import ASYNC, Provider
from tests.integration.services.order_model import EventModel, Order, Shape

Result = TypeVar("Result")

INVENTORY = "VIP=3,GA=4"
ATTEMPTS_MAX = 50
SETTINGS = {
    "async": ASYNC,
    "captured": Settings(payment_success_rate=1, bookings_per_minute=0),
    "declined": Settings(payment_success_rate=0, bookings_per_minute=0),
}
_SHAPES = """
    select orders.reference, orders.status, payments.status, payments.refunded_minor,
        array(
            select array[ticket_id, (released_at is null)::int] from bookings
            where order_id = orders.id order by ticket_id
        ),
        array(
            select array[amount_minor::text, status, attempt::text] from refunds
            where payment_id = payments.id order by id
        )
    from orders join payments on order_id = orders.id
"""
_CLEAR = """
    truncate orders, bookings, payments, refunds, order_events, webhooks, cancellations, cancelled_orders, disputes,
        buyer_guards;
    delete from tickets where event_id in (select id from events where slug like 'life-%');
    delete from tiers where event_id in (select id from events where slug like 'life-%');
    delete from events where slug like 'life-%';
"""


class Environment:
    """The database, the provider, one account, and an event loop for the synchronous rules."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.provider = Provider()
        self.memory = Memory()
        self.states: Counter[tuple[str, str, str]] = Counter()
        """The number of times that each state of an order, its payment and its last refund was seen."""
        self.events = itertools.count()
        self._runner = asyncio.Runner()
        self._open = contextlib.AsyncExitStack()
        self.pool, self.conn = self._runner.run(self._connect())
        self.account = self.run(self._account())

    async def _connect(self) -> tuple[Pool, AsyncConnection]:
        pool = await self._open.enter_async_context(open_pool(self.database_url, ASYNC))
        conn = await AsyncConnection.connect(self.database_url, autocommit=True)
        return pool, await self._open.enter_async_context(conn)

    async def _account(self) -> AccountRow:
        parameters = {"email": "ann@example.org", "locale": "en"}
        async with open_session(self.pool) as session:
            (row,) = await session.run(Statement(queries.accounts.upsert_verified, parameters, AccountRow))
            return row

    def run(self, work: Awaitable[Result]) -> Result:
        async def awaited() -> Result:
            return await work

        return self._runner.run(awaited())

    def at_once(self, copies: int, work: Callable[[], Awaitable[Result]]) -> list[Result | BaseException]:
        """Do the same work several times at once; return the results and the errors."""

        async def gathered() -> list[Result | BaseException]:
            return await asyncio.gather(*(work() for _ in range(copies)), return_exceptions=True)

        return self._runner.run(gathered())

    def query(self, statement: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        async def fetch() -> list[tuple[Any, ...]]:
            return await (await self.conn.execute(statement, parameters)).fetchall()

        return self.run(fetch())

    def shapes(self) -> dict[str, Shape]:
        """Return all orders by their references, to compare them with the model."""
        return {
            reference: (
                status,
                payment,
                refunded,
                [(ticket, bool(is_live)) for ticket, is_live in lines],
                [(int(amount), state, int(attempt)) for amount, state, attempt in refunds],
            )
            for reference, status, payment, refunded, lines, refunds in self.query(_SHAPES)
        }

    def close(self) -> None:
        self._runner.run(self._open.aclose())
        self._runner.close()

    def begin(self) -> str:
        """Delete all orders, and create a new event; return its slug."""

        async def clear() -> None:
            await self.conn.execute("alter table order_events disable trigger order_events_no_truncate")
            await self.conn.execute(_CLEAR)
            await self.conn.execute("alter table order_events enable trigger order_events_no_truncate")

        self.run(clear())
        self.provider = Provider()
        slug = f"life-{next(self.events)}"
        seed(self.database_url, event=slug, inventory=parse_inventory(INVENTORY))
        return slug


class OrderRequests(RuleBasedStateMachine):
    """The requests that a machine sends, and their callers."""

    environment: Environment
    event: str
    """The slug of the event."""
    model: EventModel

    def chosen(self, which: int) -> Order:
        return self.model.orders[which % len(self.model.orders)]

    def request(self, seats: Sequence[int], standing: int, owner: str, reference: str | None = None) -> NewOrder:
        items = [Item(tier="VIP", quantity=len(seats), ticket_ids=tuple(seats))] if seats else []
        if standing:
            items.append(Item(tier="GA", quantity=standing))
        reference = reference or f"{self.event}-order-{len(self.model.orders)}"
        account = self.environment.account
        of_owner: dict[str, Any] = (
            {"user_id": f"acct:{account.public_id}", "account_id": account.id}
            if owner == "account"
            else {"user_id": owner, "access_digest": digest(secret_of(reference))}
        )
        return NewOrder(reference=reference, event=self.event, items=tuple(items), itemized=True, **of_owner)

    def send(self, new: NewOrder, mode: str, copies: int) -> list[Booked | ApiError]:
        """Send a booking several times at once; return the outcomes."""
        policy = BookingPolicy.of(SETTINGS[mode])

        async def decided() -> Booked | ApiError:
            for _ in range(ATTEMPTS_MAX):
                outcomes: dict[str, Any] = {}
                try:
                    async with open_session(self.environment.pool) as session:
                        await book_batch(session, [new], policy, self.environment.memory, outcomes)
                except psycopg.Error as error:
                    if not is_retryable(error):
                        raise
                    continue
                outcome = outcomes[new.reference]
                if not isinstance(outcome, Retry):
                    return outcome if isinstance(outcome, Booked) else outcome.error
            raise AssertionError("the booking has no outcome")

        results = self.environment.at_once(copies, decided)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ApiError):
                raise result
        return results  # type: ignore[return-value]

    def caller(self, order: Order, caller: str = "owner") -> tuple[Access, str]:
        """Return the access and the name of a request by the owner, another name or a stranger."""
        name = order.owner if caller == "owner" else "mallory"
        if caller == "stranger":
            return Access(frozenset({digest(secret_of("of a stranger"))}), account_id=2**40, is_open=True), order.owner
        if order.owner == "account":
            return Access(account_id=self.environment.account.id), name
        return Access(frozenset({digest(secret_of(order.reference))})), name

    @staticmethod
    def refusal(order: Order, caller: str) -> ApiError | None:
        """Return the refusal of a caller who may not change the order."""
        if caller == "stranger":
            return NotFound("booking")
        return Forbidden() if caller == "other name" and order.owner != "account" else None

    @staticmethod
    def compare(results: Sequence[object], expected: ApiError | None) -> None:
        """Compare the results of equal requests with the expected refusal; None: all succeed."""
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ApiError):
                raise result
            refused = type(result) if isinstance(result, ApiError) else None
            assert refused is (type(expected) if expected else None)

    def make_due(self) -> None:
        """Let the worker check every open payment and refund."""
        self.environment.query("update payments set next_check_at = now() where next_check_at is not null returning 1")
        self.environment.query("update refunds set next_check_at = now() where next_check_at is not null returning 1")


def secret_of(reference: str) -> str:
    return f"secret-of-{reference}".ljust(43, "x")
