"""PostgreSQL cannot write to its disk: the sale is refused, and the process is not ready for a while."""

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.errors import Busy
from api.services import health
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked
from tests.integration.services.bookings.test_batcher import order

SETTINGS = Settings(payment_success_rate=1, booking_wait_ms=10_000, booking_attempts_max=2)
FAIL = """
    create function fail() returns trigger language plpgsql as
    $$ begin raise exception using errcode = %(sqlstate)s, message = 'could not extend file'; end $$
"""
FAIL_AT_INSERT = "create trigger fail before insert on orders for each row execute function fail()"


@pytest.mark.parametrize("sqlstate", ["53100", "58030"])
async def test_a_process_is_not_ready_after_a_failed_write(
    pool: Pool, conn: AsyncConnection, monkeypatch: pytest.MonkeyPatch, sqlstate: str
) -> None:
    assert await health.find_obstacle(pool, SETTINGS) is None
    await conn.execute(FAIL.replace("%(sqlstate)s", f"'{sqlstate}'").encode())
    await conn.execute(FAIL_AT_INSERT)
    batcher = BookingBatcher(pool, SETTINGS, on_commit=lambda _: None)
    async with batcher.running():
        with pytest.raises(Busy) as refusal:
            await batcher.book(order("refused"))
        assert "unknown" not in refusal.value.details
        monkeypatch.setattr(health, "WRITE_FAILURE_S", float("inf"))
        assert await health.find_obstacle(pool, SETTINGS) == "the database cannot write to its disk"
        monkeypatch.setattr(health, "WRITE_FAILURE_S", 0.0)
        assert await health.find_obstacle(pool, SETTINGS) is None
        await conn.execute("drop trigger fail on orders")
        assert isinstance(await batcher.book(order("refused")), Booked)
