"""Refusals and repeats: the first reason that applies, and sold out only by committed sales."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import (
    AllHeld,
    InvalidRequest,
    KeyReused,
    NotOnSale,
    PaymentDeclined,
    SoldOut,
    UnknownEvent,
    UnknownTier,
)
from api.services.bookings.model import Booked, Declined, Refused, Retry, Tier
from api.services.bookings.refusals import TierStock, classify_shortage, refuse_charge, replay, seat_taken
from api.services.order_rows import BookingRow, OrderRow
from tests.unit.services.bookings.values import (
    NOW,
    SEATED,
    STANDING,
    part,
    policy,
    refusal,
    request,
    seat,
    ticket,
    tier,
)

# --- Early refusals --------------------------------------------------------------------------------------


def test_a_request_on_sale_is_not_refused() -> None:
    assert refusal(request(), tier()) is None
    assert refusal(request(ticket_ids=(1, 2)), tier(), named={1: seat(1), 2: seat(2)}) is None


@pytest.mark.parametrize(
    ("event", "found", "error"),
    [
        ("nowhere", None, UnknownEvent),
        ("show", None, UnknownTier),
        ("show", tier(cancelled_at=NOW), NotOnSale),
    ],
)
def test_an_unknown_event_comes_before_an_unknown_tier_before_a_closed_sale(
    event: str, found: Tier | None, error: type
) -> None:
    assert type(refusal(request(event=event, ticket_ids=(9,)), *([found] if found else []))) is error


def test_only_free_orders_are_possible_while_the_provider_is_unavailable() -> None:
    unavailable = policy(provider_available=False)
    free, paid = (part(tier(price_minor=0)),), (part(tier(price_minor=1)),)
    error = refuse_charge(paid, unavailable)
    assert error is not None
    assert (error.status, error.retry_after_s) == (503, 5)
    assert refuse_charge(free, unavailable) is None
    assert refuse_charge(paid, policy()) is None
    assert refuse_charge(free + paid, unavailable) is not None


def test_a_closed_sale_states_the_earlier_of_its_two_ends() -> None:
    ends = NOW + timedelta(hours=1)
    closed = refusal(request(), tier(read_at=ends, sales_end_at=ends))
    assert "2026-11-23 20:00 UTC and ends at 2026-11-24 21:00 UTC" in str(closed)
    late = refusal(request(), tier(read_at=NOW + timedelta(days=2), sales_end_at=NOW + timedelta(days=9)))
    assert "ends at 2026-11-25 20:00 UTC" in str(late)
    cancelled = refusal(request(), tier(cancelled_at=NOW))
    assert "cancelled" in str(cancelled)


def test_tickets_of_another_tier_and_unknown_ones_are_named() -> None:
    named = {1: seat(1), 2: ticket(2, tier_id=STANDING)}
    standing = tier(seated=False)
    error = refusal(request(quantity=3, ticket_ids=(1, 2, 3)), tier(), standing, named=named)
    assert isinstance(error, InvalidRequest)
    assert error.details["errors"] == [{"field": "ticketIds", "message": "not tickets of the tier 'VIP': 2, 3"}]


def test_taken_seats_are_named_by_row_and_standing_tickets_by_id() -> None:
    error = seat_taken(request(), part(), [seat(4), ticket(9)])
    assert error.details == {"ticketIds": [4, 9]}
    assert "row A seat 4, ticket 9" in error.message


# --- Repeats ---------------------------------------------------------------------------------------------


def order(**changes: Any) -> OrderRow:
    values: dict[str, Any] = {
        "id": 7,
        "reference": "r",
        "user_id": "ada",
        "request_digest": request().digest,
        "status": "confirmed",
        "total_minor": 2500,
        "currency": "USD",
        "created_at": NOW,
        "expires_at": None,
        "payment": "captured",
        "event": "show",
        "paid_late": False,
    }
    return OrderRow(**values | changes)


BOOKING = BookingRow(
    id=1,
    order_id=7,
    line=1,
    ticket_id=1,
    tier="VIP",
    price_minor=1250,
    row_label="A",
    seat_number=1,
    created_at=NOW,
)


@pytest.mark.parametrize("status", ["pending", "confirmed", "declined", "expired", "cancelled"])
def test_a_repeat_of_a_held_order_gets_the_order_in_any_state(status: str) -> None:
    held = order(status=status, expires_at=NOW)
    assert replay(request(), held, [BOOKING]) == Booked(held, [BOOKING], replayed=True)


def test_a_repeat_of_an_inline_decline_is_declined_again() -> None:
    decision = replay(request(), order(status="declined"), [])
    assert isinstance(decision, Declined)
    assert decision.replayed
    assert decision.error.details == {"reference": "r"}
    assert isinstance(decision.error, PaymentDeclined)


@pytest.mark.parametrize(
    "change",
    [{"event": "other"}, {"tier": "GA"}, {"quantity": 1}, {"user_id": "ben"}, {"ticket_ids": (1, 2)}],
    ids=str,
)
@pytest.mark.parametrize("status", ["confirmed", "declined"])
def test_another_request_with_the_same_reference_is_refused(change: dict[str, Any], status: str) -> None:
    decision = replay(request(**change), order(status=status), [BOOKING])
    assert isinstance(decision, Refused)
    assert isinstance(decision.error, KeyReused)


def test_the_order_of_named_tickets_does_not_distinguish_requests() -> None:
    assert request(ticket_ids=(2, 1)).digest == request(ticket_ids=(1, 2), reference="other").digest


# --- Shortages -------------------------------------------------------------------------------------------


COUNTS = st.integers(0, 12)


@given(st.integers(1, 10), COUNTS, COUNTS)
def test_a_shortage_is_sold_out_only_if_not_even_the_held_tickets_suffice(
    quantity: int, available: int, held: int
) -> None:
    stock = TierStock(SEATED, available, held, back_in_s=30.0 if held else None)
    outcome = classify_shortage(request(), part(), quantity, stock)
    if available >= quantity:
        assert outcome == Retry("locked_tickets")
        return
    assert isinstance(outcome, Refused)
    assert type(outcome.error) is (AllHeld if available + held >= quantity else SoldOut)
    assert outcome.error.details == {"available": available}


@pytest.mark.parametrize(("back_in_s", "retry_after_s"), [(12.1, 13), (0.2, 1), (-3.0, 1), (None, 1)])
def test_held_tickets_are_awaited_until_the_first_hold_ends(back_in_s: float | None, retry_after_s: int) -> None:
    outcome = classify_shortage(request(), part(), 2, TierStock(SEATED, 0, 2, back_in_s))
    assert isinstance(outcome, Refused)
    assert outcome.error.retry_after_s == retry_after_s
