"""The body of an order: amounts, message and optional members for each state."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from api.services.order_rows import BookingRow, OrderRow
from api.services.order_views import as_first_booked, to_schema

BOOKED_AT = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
HOLD_ENDS_AT = BOOKED_AT + timedelta(minutes=5)


def order(**changes: Any) -> OrderRow:
    values: dict[str, Any] = {
        "id": 7,
        "reference": "r-1",
        "user_id": "ada",
        "request_digest": b"",
        "status": "confirmed",
        "total_minor": 2500,
        "currency": "USD",
        "created_at": BOOKED_AT,
        "expires_at": None,
        "payment": "captured",
        "event": "aurora-sessions",
        "paid_late": False,
    }
    return OrderRow(**values | changes)


def booking(line: int) -> BookingRow:
    return BookingRow(
        id=100 + line,
        order_id=7,
        line=line,
        ticket_id=200 + line,
        tier="VIP",
        price_minor=1250,
        row_label="A",
        seat_number=line,
        created_at=BOOKED_AT,
    )


BOOKINGS = [booking(1), booking(2)]


def test_the_body_has_amounts_in_the_major_unit_and_a_reference_for_each_ticket() -> None:
    assert msgspec.to_builtins(to_schema(order(), BOOKINGS)) == {
        "success": True,
        "reference": "r-1",
        "status": "confirmed",
        "total": 25,
        "currency": "USD",
        "bookings": [
            {
                "id": 100 + line,
                "bookingReference": f"r-1-{line}",
                "ticketId": 200 + line,
                "tier": "VIP",
                "price": 12.5,
                "row": "A",
                "seat": line,
                "userId": "ada",
                "createdAt": "2026-11-24T20:00:00Z",
            }
            for line in (1, 2)
        ],
        "message": "Successfully booked 2 ticket(s)",
        "event": "aurora-sessions",
        "paidLate": False,
        "currencyDigits": 2,
        "shortReference": "GYDA0JPK",
    }


@pytest.mark.parametrize("status", ["pending", "confirmed", "declined", "expired", "cancelled"])
def test_only_a_pending_order_shows_the_end_of_its_hold(status: str) -> None:
    shown = to_schema(order(status=status, expires_at=HOLD_ENDS_AT), BOOKINGS)
    assert shown.expires_at == (HOLD_ENDS_AT if status == "pending" else msgspec.UNSET)
    assert shown.success == (status in {"pending", "confirmed", "cancelled"})


@pytest.mark.parametrize("payment", ["pending", "captured", "declined", "void", "refunding", "refunded"])
def test_only_a_returned_payment_shows_a_refund(payment: str) -> None:
    shown = to_schema(order(status="cancelled", payment=payment), BOOKINGS)
    assert shown.refund == (25 if payment in {"refunding", "refunded"} else msgspec.UNSET)


def test_the_message_tells_a_late_payment_only_while_the_order_is_confirmed() -> None:
    late = order(paid_late=True, expires_at=HOLD_ENDS_AT)
    assert to_schema(late, BOOKINGS).message.startswith("The payment came late, but the same 2 ticket(s)")
    cancelled = msgspec.structs.replace(late, status="cancelled")
    assert to_schema(cancelled, BOOKINGS).message == "The booking was cancelled."


@pytest.mark.parametrize("status", ["confirmed", "cancelled"])
def test_the_first_response_of_an_inline_payment_is_confirmed(status: str) -> None:
    assert as_first_booked(order(status=status, payment="refunded")) == order()


@pytest.mark.parametrize("status", ["pending", "confirmed", "declined", "expired", "cancelled"])
def test_the_first_response_of_a_held_order_is_pending(status: str) -> None:
    later = order(status=status, expires_at=HOLD_ENDS_AT, paid_late=status == "confirmed")
    assert as_first_booked(later) == order(status="pending", payment="pending", expires_at=HOLD_ENDS_AT)
