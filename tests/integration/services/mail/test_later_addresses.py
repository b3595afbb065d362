"""An order may get its address after its confirmation, with a message that its buyer requests."""

import pytest

from api.commands.audit import audit
from api.config import Settings
from api.database.pool import Pool
from api.services.mail.requests import send_order
from api.services.returns import cancel_order
from tests.integration.asynchronous import INLINE, OPEN, book, order
from tests.integration.services.mail.conftest import Post, age_history


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_address_that_an_order_gets_later_violates_no_invariant(
    post: Post, pool: Pool, database_url: str, settings: Settings, *, cancelled: bool
) -> None:
    await book(pool, order(reference="late"), settings=INLINE)
    await post.queue()
    if cancelled:
        await cancel_order(pool, "late", "u", OPEN)
        await post.queue()
    await send_order(pool, settings, "late", OPEN, "ann@example.org", None)
    age_history(database_url)
    assert audit(database_url) == []
