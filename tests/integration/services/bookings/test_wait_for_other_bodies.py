"""A request behind others with its reference gets a response as soon as any request that arrived at the same time."""

import asyncio
from typing import cast

import pytest

from api.config import Settings
from api.database.pool import Pool
from api.errors import Busy
from api.services.bookings import batcher as module
from api.services.bookings.batcher import BookingBatcher
from tests.integration.services.bookings.test_batcher import RESPONSE_TIMEOUT_S, order

GAP_S = 0.2


async def test_a_request_behind_two_others_waits_as_long_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRANSACTION_GRACE_S", 2 * GAP_S)
    # The queue is not processed, so that each request waits until its refusal.
    batcher = BookingBatcher(cast("Pool", None), Settings(booking_wait_ms=50), on_commit=lambda _: None)
    first, second, third = (asyncio.create_task(batcher.book(order("shared", quantity))) for quantity in (1, 2, 3))
    await asyncio.sleep(GAP_S)
    later = asyncio.create_task(batcher.book(order("later")))
    await asyncio.sleep(0)
    batcher._refuse(batcher._open["shared"], Busy)  # The second request takes the place of the first one.
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        done, _ = await asyncio.wait({third, later}, return_when=asyncio.FIRST_COMPLETED)
        received = await asyncio.gather(first, second, third, later, return_exceptions=True)
    assert done == {third}
    assert {type(each) for each in received} == {Busy}
