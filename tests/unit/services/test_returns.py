"""Cancellation: the decision for each state of an order and its payment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.errors import Forbidden, NotCancellable
from api.services.order_rows import LockedOrder
from api.services.orders import Change
from api.services.returns import CANCELLED_BY_BUYER, cancellation, may_return

STARTS_AT = datetime(2027, 6, 18, 20, 0, tzinfo=UTC)


def locked(**changes: Any) -> LockedOrder:
    values: dict[str, Any] = {
        "id": 7,
        "reference": "r-1",
        "user_id": "ada",
        "status": "confirmed",
        "total_minor": 1000,
        "currency": "USD",
        "payment_id": 8,
        "payment": "captured",
        "refunded_minor": 0,
        "held": True,
        "event": "aurora-sessions",
        "sales_start_at": STARTS_AT - timedelta(days=9),
        "sales_end_at": None,
        "starts_at": STARTS_AT,
        "ends_at": None,
        "cancelled_at": None,
        "read_at": STARTS_AT - timedelta(seconds=1),
    }
    return LockedOrder(**values | changes)


@pytest.mark.parametrize(
    ("order", "payment"),
    [
        (locked(), "refunding"),
        (locked(held=False), "refunded"),
        (locked(total_minor=0), "refunded"),
        (locked(status="pending", payment="pending"), None),
        (locked(cancelled_at=STARTS_AT), "refunding"),
        (locked(cancelled_at=STARTS_AT, read_at=STARTS_AT + timedelta(days=99)), "refunding"),
    ],
)
def test_a_cancellation_returns_a_captured_payment_only(order: LockedOrder, payment: Any) -> None:
    assert may_return(order, "ada")
    assert cancellation(order, CANCELLED_BY_BUYER) == Change(7, "cancelled", payment, "cancelled by its buyer")


@pytest.mark.parametrize("read_at", [STARTS_AT - timedelta(days=1), STARTS_AT])
def test_a_repeated_cancellation_changes_nothing(read_at: datetime) -> None:
    assert not may_return(locked(status="cancelled", payment="refunded", read_at=read_at), "ada")


@pytest.mark.parametrize("status", ["pending", "confirmed", "declined", "expired", "cancelled"])
def test_only_the_buyer_cancels(status: Any) -> None:
    with pytest.raises(Forbidden):
        may_return(locked(status=status), "ben")


@pytest.mark.parametrize("status", ["declined", "expired"])
def test_an_order_without_tickets_cannot_be_cancelled(status: Any) -> None:
    with pytest.raises(NotCancellable, match=f"it is {status}"):
        may_return(locked(status=status, payment="declined"), "ada")


@pytest.mark.parametrize("status", ["pending", "confirmed"])
def test_nothing_is_cancelled_once_the_event_has_begun(status: Any) -> None:
    with pytest.raises(NotCancellable, match="the event has begun"):
        may_return(locked(status=status, read_at=STARTS_AT), "ada")
