"""The limit of messages about unpaid orders: nobody can send many e-mails to the address of somebody else."""

from collections import Counter

import msgspec
import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.services.mail.outbox import queue_messages
from api.services.returns import cancel_order
from tests.integration.asynchronous import OPEN, apply_updates, hold

ANN, BOB = "ann@example.org", "bob@example.org"
LIMIT = 3


async def messages(conn: AsyncConnection) -> Counter[tuple[str, str]]:
    """Return the numbers of messages by their kinds and addresses in lower case."""
    cursor = await conn.execute("select kind, lower(recipient) from messages")
    return Counter(await cursor.fetchall())


@pytest.mark.parametrize("limit", [LIMIT, 0])
async def test_an_address_gets_few_messages_about_unpaid_orders(
    pool: Pool, conn: AsyncConnection, settings: Settings, limit: int
) -> None:
    limited = msgspec.structs.replace(settings, unpaid_messages_per_hour=limit)
    addresses = [ANN, ANN.upper(), ANN, ANN.title(), ANN, BOB]
    held = [await hold(pool, email=address) for address in addresses]
    await queue_messages(pool, limited)
    assert await messages(conn) == {("held", ANN): limit or 5, ("held", BOB): 1}
    for cancelled in (held[0], held[-1]):
        await cancel_order(pool, cancelled.reference, "u", OPEN)
    await queue_messages(pool, limited)
    assert await messages(conn) == {
        ("held", ANN): limit or 5,
        ("held", BOB): 1,
        **({} if limit else {("cancelled", ANN): 1}),
        ("cancelled", BOB): 1,
    }
    await conn.execute("update messages set created_at = created_at - interval '61 min'")
    await cancel_order(pool, held[1].reference, "u", OPEN)
    await queue_messages(pool, limited)
    assert (await messages(conn))["cancelled", ANN] == (1 if limit else 2)


async def test_a_paid_order_is_always_announced(pool: Pool, conn: AsyncConnection, settings: Settings) -> None:
    limited = msgspec.structs.replace(settings, unpaid_messages_per_hour=1)
    paid, _ = [await hold(pool, email=ANN) for _ in range(2)]
    await queue_messages(pool, limited)
    await apply_updates(pool, {paid.reference: "captured"})
    await cancel_order(pool, paid.reference, "u", OPEN)
    await apply_updates(pool, {paid.reference: "refunded"})
    await queue_messages(pool, limited)
    announced = await messages(conn)
    assert announced == {("held", ANN): 1, ("confirmed", ANN): 1, ("cancelled", ANN): 1, ("refunded", ANN): 1}
