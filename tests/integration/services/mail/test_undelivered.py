"""The holder of an order learns that an e-mail reached nobody, until another one to a corrected address follows."""

import msgspec
import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.services.bookings.model import Booked
from api.services.mail.requests import send_order
from api.services.order_views import get_order, list_orders, mask
from tests.integration.asynchronous import INLINE, OPEN, book, order
from tests.integration.services.mail.conftest import Post
from tests.mail_server import MailServer

ANN, BOB = "ann@example.org", "bob@example.org"


async def sell(pool: Pool) -> str:
    (outcome,) = await book(pool, order(email=ANN, locale="en"), settings=INLINE)
    assert isinstance(outcome, Booked)
    return outcome.order.reference


async def undelivered(pool: Pool, reference: str) -> object:
    """Return the masked address in the response for an order; None without one."""
    shown, _ = await get_order(pool, reference, OPEN)
    return None if shown.undelivered_to is msgspec.UNSET else shown.undelivered_to


async def test_a_refused_address_is_shown_until_it_is_corrected(
    post: Post, pool: Pool, mail_server: MailServer, settings: Settings
) -> None:
    mail_server.response_to_recipient[ANN] = "550 there is no such user"
    reference = await sell(pool)
    assert await undelivered(pool, reference) is None
    await post.queue()
    assert await undelivered(pool, reference) is None  # It may still arrive.
    await post.send()
    assert await undelivered(pool, reference) == "a***@example.org"
    page = await list_orders(pool, "u", OPEN, limit=10, cursor=None)
    assert page.orders[0].undelivered_to is msgspec.UNSET
    await send_order(pool, settings, reference, OPEN, BOB, None)
    assert await undelivered(pool, reference) is None
    await post.send()
    assert [received.recipients for received in mail_server.received] == [[BOB]]
    assert await undelivered(pool, reference) is None


async def test_a_correction_that_is_refused_as_well_is_shown(
    post: Post, pool: Pool, mail_server: MailServer, settings: Settings
) -> None:
    mail_server.response_to_recipient |= {ANN: "550 no", BOB: "554 no"}
    reference = await sell(pool)
    await post.run()
    await send_order(pool, settings, reference, OPEN, BOB, None)
    await post.send()
    assert await undelivered(pool, reference) == "b***@example.org"


@pytest.mark.parametrize(("status", "shown"), [("dead", "a***@example.org"), ("skipped", None), ("sent", None)])
async def test_only_the_last_message_that_was_true_counts(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, status: str, shown: str | None
) -> None:
    reference = await sell(pool)
    await post.queue()
    await conn.execute(
        "update messages set status = %(status)s, next_attempt_at = null,"
        " sent_at = case %(status)s::text when 'sent' then now() end",
        {"status": status},
    )
    assert await undelivered(pool, reference) == shown
    assert mail_server.received == []


async def test_an_erased_message_is_not_shown(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    mail_server.response_to_recipient[ANN] = "550 no"
    reference = await sell(pool)
    await post.run()
    await conn.execute("update messages set recipient = null")
    assert await undelivered(pool, reference) is None


@pytest.mark.parametrize(("address", "masked"), [(ANN, "a***@example.org"), ("a@b", "a***@b")])
def test_a_masked_address_has_its_first_character_and_domain(address: str, masked: str) -> None:
    assert mask(address) == masked


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("update messages set status = 'skipped', last_error = null where id = (select max(id) from messages)", ANN),
        ("update messages set status = 'bounced' where id = (select max(id) from messages)", ANN),
        ("update orders set email = 'bob@example.org'", None),
    ],
)
async def test_a_later_message_that_was_not_true_changes_nothing(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, change: str, shown: str | None
) -> None:
    mail_server.response_to_recipient[ANN] = "550 no"
    reference = await sell(pool)
    await post.run()
    await conn.execute(
        "insert into messages (kind, order_id, recipient, locale, message_id, status)"
        " select kind, order_id, recipient, locale, '<later@example.org>', status from messages"
    )
    await conn.execute(change.encode())
    assert await undelivered(pool, reference) == (shown and mask(shown))
