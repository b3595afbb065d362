"""The worker's jobs: concurrent workers do each piece of work once."""

import asyncio

from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import open_pool
from api.services.orders import purge_declined

SETTINGS = Settings(declined_kept_days=30)

OLD_AND_NEW_ORDERS = """
    with made as (
        insert into orders
            (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency, created_at)
        select 1, status || age || '-' || n, 'u', sha256('x'), status, 1, 100, 'USD', now() - make_interval(days => age)
        from unnest(array['declined', 'confirmed']) as status, unnest(array[29, 31]) as age, generate_series(1, 50) as n
        returning id, status
    )
    insert into payments (order_id, status, amount_minor, currency)
    select id, case status when 'declined' then 'declined' else 'captured' end, 100, 'USD' from made
"""


async def test_only_declined_orders_are_purged_after_their_retention(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(OLD_AND_NEW_ORDERS)
    async with open_pool(database_url, SETTINGS) as pool:
        done = await asyncio.gather(*(purge_declined(pool, SETTINGS) for _ in range(3)))
        assert sum(done) == 50
        assert await purge_declined(pool, SETTINGS) == 0
    cursor = await conn.execute(
        """
        select orders.status, count(*), count(payments.id), min(now() - orders.created_at) < interval '30 days'
        from orders left join payments on order_id = orders.id group by 1 order by 1
        """
    )
    assert await cursor.fetchall() == [("confirmed", 100, 100, True), ("declined", 50, 50, True)]
    orphans = await conn.execute("select count(*) from payments where order_id not in (select id from orders)")
    assert await orphans.fetchone() == (0,)
