"""A message about a confirmed order describes only the tickets that the order keeps."""

from api.database.pool import Pool
from api.services.mail.facts import find_facts
from api.services.returns import return_tickets
from tests.integration.asynchronous import OPEN, Provider
from tests.integration.services.paid_orders import paid


async def test_a_message_leaves_out_returned_tickets(pool: Pool) -> None:
    booked, ids = await paid(pool, Provider(), 3)
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    facts = await find_facts(pool, booked.id)
    assert facts is not None
    assert [booking.id for booking in facts.bookings] == ids[1:]
