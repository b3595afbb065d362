"""Requests of one batch may exhaust a limit together. The request that exceeds it reserves nothing and runs again."""

from prometheus_client import REGISTRY

from api.config import Settings
from api.database.pool import Pool
from api.errors import RateLimited
from api.services.bookings.limits import hash_client
from api.services.bookings.model import Booked, Retry
from api.services.order_rows import OrderRow
from tests.integration.asynchronous import book
from tests.integration.asynchronous import order as new_order
from tests.integration.services.bookings.test_batcher import order, responses, running_batcher

CAUSES = ("in_flight", "locked_tickets", "changed_tier", "batch_limit")
CLIENT = hash_client("tksec_" + "A" * 40, "192.0.2.1")


def retries() -> dict[str, float]:
    """Return the retries so far by cause."""
    return {cause: REGISTRY.get_sample_value("booking_retries_total", {"cause": cause}) or 0 for cause in CAUSES}


async def test_a_request_beyond_the_limit_of_a_buyer_holds_no_tickets_of_its_address(pool: Pool) -> None:
    settings = Settings(payment_mode="async", bookings_per_minute=1, held_tickets_per_address=10)
    first, second, other = await book(
        pool,
        *(new_order("GA", 4, client_hash=CLIENT, user_id="ann") for _ in range(2)),
        new_order("GA", 6, client_hash=CLIENT, user_id="ben"),
        settings=settings,
    )
    assert isinstance(first, Booked)
    assert second == Retry("batch_limit")
    assert isinstance(other, Booked)


async def test_a_retry_is_counted_under_its_cause(database_url: str) -> None:
    before = retries()
    async with running_batcher(database_url, payment_mode="async", held_tickets_per_address=2) as batcher:
        *held, refused = await responses(batcher, *(order(f"r{number}", client_hash=CLIENT) for number in range(3)))
    assert [type(each) for each in held] == [OrderRow, OrderRow]
    assert isinstance(refused, RateLimited)
    assert {cause: count - before[cause] for cause, count in retries().items() if count != before[cause]} == {
        "batch_limit": 1
    }
