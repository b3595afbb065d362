"""The simulated provider's ledger: one charge for each reference, as many as fit."""

import pytest

from api.commands.payment_simulator import ChargeStore
from api.errors import (
    Busy,
    KeyReused,
    NotCancellable,
    NotFound,
)
from api.payments.http_provider import ChargeRequest


def request(reference: str, amount: int = 100, currency: str = "USD") -> ChargeRequest:
    return ChargeRequest(reference=reference, amount=amount, currency=currency)


def test_a_charge_is_made_once_and_keeps_its_amount() -> None:
    ledger = ChargeStore()
    made, is_new = ledger.open(request("a"))
    assert (made.status, is_new) == ("processing", True)
    decided = ledger.decide("a", 1)
    assert ledger.open(request("a")) == (decided, False)
    for other in (request("a", amount=99), request("a", currency="EUR")):
        with pytest.raises(KeyReused, match="100 USD"):
            ledger.open(other)
    assert ledger.charges() == [decided]


def test_only_what_was_captured_is_given_back_and_that_once() -> None:
    ledger = ChargeStore()
    for reference in ("paid", "declined", "open"):
        ledger.open(request(reference))
    ledger.decide("paid", 1)
    ledger.decide("declined", 0)
    refunded, is_new = ledger.refund("paid")
    assert (refunded.status, is_new) == ("refunded", True)
    assert ledger.refund("paid") == (refunded, False)
    for reference in ("declined", "open"):
        with pytest.raises(NotCancellable):
            ledger.refund(reference)
    with pytest.raises(NotFound):
        ledger.refund("unknown")


def test_beyond_its_size_the_charge_that_was_decided_first_goes() -> None:
    ledger = ChargeStore(charges_max=3)
    for reference in ("a", "b", "c"):
        ledger.open(request(reference))
    with pytest.raises(Busy):
        ledger.open(request("d"))
    ledger.decide("b", 1)
    ledger.decide("a", 1)
    ledger.refund("b")
    ledger.open(request("d"))
    assert [charge.reference for charge in ledger.charges()] == ["a", "c", "d"]
    ledger.open(request("e"))
    with pytest.raises(Busy):
        ledger.open(request("f"))
    assert [charge.reference for charge in ledger.charges()] == ["c", "d", "e"]
