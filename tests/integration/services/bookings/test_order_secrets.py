"""The secret of an order: stored as a digest, and part of the request that a repeat must equal."""

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.database.session import open_session
from api.errors import ApiError, KeyReused, NotFound
from api.services.access import Access, digest
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, NewOrder, Outcome
from api.services.calendar import write_calendar
from api.services.codes import draw_ticket
from api.services.order_views import get_order, list_orders
from api.services.returns import cancel_order
from tests.integration.asynchronous import OPEN, order

OWN, FOREIGN = "a" * 43, "b" * 43
KEY = f"acsec_{'A' * 40}"
HOLDER, STRANGER = (Access.of([secret], key=KEY, is_open=True) for secret in (OWN, FOREIGN))
TICKET_SECRET = "tksec_" + "A" * 40


@pytest.fixture
def settings() -> Settings:
    return Settings(payment_success_rate=1, bookings_per_minute=0)


async def book(pool: Pool, settings: Settings, *requests: NewOrder) -> list[Outcome]:
    """Book the requests one by one with the same memory, so that the direct sale knows the tier of the later ones."""
    memory = Memory()
    outcomes: dict[str, Outcome] = {}
    found = []
    for request in requests:
        async with open_session(pool) as session:
            await book_batch(session, [request], BookingPolicy.of(settings), memory, outcomes)
        found.append(outcomes.pop(request.reference))
    return found


@pytest.mark.parametrize("path", ["direct", "careful"])
async def test_both_paths_store_the_digest_of_the_secret(
    pool: Pool, conn: AsyncConnection, settings: Settings, path: str
) -> None:
    settings = Settings(payment_success_rate=1, bookings_per_minute=0, booking_path=path)  # type: ignore[arg-type]
    with_secret = [order(reference=f"r-{number}", access_digest=digest(OWN)) for number in range(2)]
    outcomes = await book(pool, settings, *with_secret, order(reference="open"))
    assert [each.order.access_digest for each in outcomes if isinstance(each, Booked)] == [digest(OWN)] * 2 + [None]
    cursor = await conn.execute("select reference, access_digest from orders where user_id = 'u' order by id")
    assert await cursor.fetchall() == [("r-0", digest(OWN)), ("r-1", digest(OWN)), ("open", None)]


async def test_only_the_holder_gets_the_response_to_a_repeat(pool: Pool, settings: Settings) -> None:
    def repeat(secret: bytes | None) -> NewOrder:
        return order(reference="r", access_digest=secret)

    first, own, foreign, without = await book(
        pool, settings, repeat(digest(OWN)), repeat(digest(OWN)), repeat(digest(FOREIGN)), repeat(None)
    )
    assert isinstance(first, Booked)
    assert isinstance(own, Booked)
    assert own.replayed
    for refused in (foreign, without):
        assert isinstance(refused.error, KeyReused)  # type: ignore[union-attr]


async def test_only_the_holder_reads_and_cancels_an_order(pool: Pool, settings: Settings) -> None:
    await book(pool, settings, order(reference="mine", access_digest=digest(OWN)), order(reference="open"))
    for access in (STRANGER, OPEN, Access()):
        for attempt in (
            get_order(pool, "mine", access),
            draw_ticket(pool, TICKET_SECRET, "mine", 1, access),
            write_calendar(pool, "mine", "http://localhost:3000", access),
            cancel_order(pool, "mine", "u", access),
        ):
            with pytest.raises(NotFound) as refusal:
                await attempt
            assert str(refusal.value) == "There is no booking mine."
    found, _ = await get_order(pool, "mine", HOLDER)
    assert found.status == "confirmed"
    assert await draw_ticket(pool, TICKET_SECRET, "mine", 1, HOLDER)
    await write_calendar(pool, "mine", "http://localhost:3000", HOLDER)
    cancelled, _ = await cancel_order(pool, "mine", "u", HOLDER)
    assert cancelled.status == "cancelled"


async def test_a_list_has_the_orders_of_the_presented_secrets(pool: Pool, settings: Settings) -> None:
    secrets = {"mine": digest(OWN), "other": digest(FOREIGN), "open": None}
    await book(pool, settings, *(order(reference=name, access_digest=secret) for name, secret in secrets.items()))

    async def listed(*presented: str, is_open: bool) -> list[str]:
        page = await list_orders(pool, "u", Access.of(presented, key=KEY, is_open=is_open), limit=10, cursor=None)
        return [each.reference for each in page.orders]

    assert await listed(is_open=False) == []
    assert await listed(is_open=True) == ["open"]
    assert await listed(OWN, is_open=False) == ["mine"]
    assert await listed(OWN, FOREIGN, is_open=True) == ["open", "other", "mine"]


async def test_an_order_whose_secret_is_not_checked_is_found(
    pool: Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    await book(pool, settings, order(reference="mine", access_digest=digest(OWN)))
    monkeypatch.setattr(Access, "admits", lambda _self, _digest: True)
    found, _ = await get_order(pool, "mine", STRANGER)
    assert found.reference == "mine"


async def test_a_repeat_without_the_secret_in_its_digest_is_served(
    pool: Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the digest."""
    monkeypatch.setattr(NewOrder, "digest", b"d" * 32)
    first, foreign = await book(
        pool, settings, order(reference="r", access_digest=digest(OWN)), order(reference="r", access_digest=None)
    )
    assert not isinstance(first, ApiError)
    assert isinstance(foreign, Booked)
    assert foreign.replayed
