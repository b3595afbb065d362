"""The account, the address and the language of an order: stored by both paths, and checked by the database."""

import pytest
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation

from api.config import Settings
from api.database.pool import Pool
from api.database.session import open_session
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, Outcome
from tests.integration.asynchronous import order

LONGEST = f"{'a' * 242}@example.org"


@pytest.mark.parametrize("path", ["direct", "careful"])
async def test_both_paths_store_the_buyer(pool: Pool, conn: AsyncConnection, path: str) -> None:
    settings = Settings(payment_success_rate=1, bookings_per_minute=0, booking_path=path)  # type: ignore[arg-type]
    batch = [
        order(reference="account", account_id=7, email="ann@example.org", locale="de"),
        order(reference="guest", email=LONGEST, locale="ar"),
        order(reference="unknown", locale="en"),
    ]
    memory = Memory()
    outcomes: dict[str, Outcome] = {}
    # The direct sale knows the tier of the second batch.
    for requests in ([order(reference="first")], batch):
        async with open_session(pool) as session:
            await book_batch(session, requests, BookingPolicy.of(settings), memory, outcomes)
    assert {type(outcome) for outcome in outcomes.values()} == {Booked}
    cursor = await conn.execute(
        "select reference, account_id, email, locale from orders where user_id = 'u' order by reference"
    )
    assert await cursor.fetchall() == [
        ("account", 7, "ann@example.org", "de"),
        ("first", None, None, None),
        ("guest", None, LONGEST, "ar"),
        ("unknown", None, None, "en"),
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("email", "ann"),
        ("email", "ann@bob@example.org"),
        ("email", "ann@example.org\n"),
        ("email", "ann @example.org"),
        ("email", f"a{LONGEST}"),
        ("locale", "fr"),
        ("locale", ""),
    ],
)
async def test_the_database_refuses_other_values(pool: Pool, conn: AsyncConnection, column: str, value: str) -> None:
    async with open_session(pool) as session:
        await book_batch(session, [order()], BookingPolicy.of(Settings(payment_success_rate=1)), Memory(), {})
    with pytest.raises(CheckViolation, match=f"orders_{column}_check"):
        await conn.execute(
            "update orders set email = %(email)s, locale = %(locale)s where user_id = 'u'",
            {"email": None, "locale": None, column: value},
        )
