"""Requests of a batch that want the same share their parts, and each of them gets its own decision."""

from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.database.session import open_session
from api.errors import PriceChanged
from api.schemas import BUILT_IN_EVENT
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, Item, NewOrder, Outcome, Refused


def request(reference: str, quantity: int = 2, **changes: float | bool) -> NewOrder:
    """Return a request for standing tickets at 10.00 each."""
    items = (Item(tier="GA", quantity=quantity),)
    return NewOrder(reference=reference, event=BUILT_IN_EVENT, items=items, user_id=reference, **changes)  # type: ignore[arg-type]


async def test_alike_requests_get_their_own_decisions(pool: Pool, conn: AsyncConnection) -> None:
    policy, memory = BookingPolicy.of(Settings(payment_success_rate=1)), Memory()
    outcomes: dict[str, Outcome] = {}
    async with open_session(pool) as session:
        await book_batch(session, [request("first")], policy, memory, outcomes)  # The process remembers the tier.
        alike = [
            request("without a total"),
            request("right", expected_total=20.0),
            request("wrong", expected_total=10.0),
            request("right again", expected_total=20.0),
            request("of one ticket", 1),
            request("itemized and wrong", expected_total=10.0, itemized=True),
        ]
        await book_batch(session, alike, policy, memory, outcomes)
    refused = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Refused)}
    assert {name for name, outcome in outcomes.items() if isinstance(outcome, Booked)} == {
        *("first", "without a total", "right", "right again", "of one ticket")
    }
    assert {name: isinstance(outcome.error, PriceChanged) for name, outcome in refused.items()} == {
        "wrong": True,
        "itemized and wrong": True,
    }
    cursor = await conn.execute("select reference, quantity, total_minor from orders order by id offset 1")
    assert set(await cursor.fetchall()) == {
        ("without a total", 2, 2000),
        ("right", 2, 2000),
        ("right again", 2, 2000),
        ("of one ticket", 1, 1000),
    }
