"""The payment simulator: reproducible outcomes, and a bounded store with one charge for each reference."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.payments.provider import ChargeRequest, RefundBody
from api.payments.simulator import REFUNDS_OF_CHARGE_MAX, ChargeRefused, ChargeStore, decide

REFERENCES = st.text(min_size=1, max_size=128)
RATES = st.floats(0, 1)


def request(reference: str, amount: int = 100, currency: str = "USD") -> ChargeRequest:
    return ChargeRequest(reference=reference, amount=amount, currency=currency)


def whole(key: str = "k", amount: int = 100, currency: str = "USD") -> RefundBody:
    return RefundBody(key=key, amount=amount, currency=currency)


@given(REFERENCES)
def test_rate_0_declines_every_payment_and_rate_1_captures_every_payment(reference: str) -> None:
    assert (decide(reference, 0), decide(reference, 1)) == ("declined", "captured")


@given(REFERENCES, RATES)
def test_the_outcome_of_a_reference_never_changes(reference: str, rate: float) -> None:
    assert len({decide(reference, rate) for _ in range(3)}) == 1


@given(REFERENCES, RATES, RATES)
def test_a_higher_rate_captures_every_payment_of_a_lower_rate(reference: str, one: float, other: float) -> None:
    if decide(reference, min(one, other)) == "captured":
        assert decide(reference, max(one, other)) == "captured"


@pytest.mark.parametrize("rate", [0.01, 0.5, 0.9, 0.99])
def test_the_share_of_captured_payments_is_the_rate(rate: float) -> None:
    references = 20_000
    captured = sum(decide(f"bk_{number}", rate) == "captured" for number in range(references))
    deviation = math.sqrt(references * rate * (1 - rate))
    assert abs(captured - references * rate) < 5 * deviation


def test_a_charge_is_created_once_and_keeps_its_amount() -> None:
    store = ChargeStore()
    created, is_new = store.create(request("a"))
    assert (created.status, is_new) == ("processing", True)
    decided = store.decide("a", 1)
    assert store.create(request("a")) == (decided, False)
    for other in (request("a", amount=99), request("a", currency="EUR")):
        with pytest.raises(ChargeRefused, match="100 USD") as refused:
            store.create(other)
        assert (refused.value.status, refused.value.code) == (422, "key_reused")
    assert store.charges() == [decided]


def test_only_a_captured_charge_is_refunded_and_only_once() -> None:
    store = ChargeStore()
    for reference in ("paid", "declined", "open"):
        store.create(request(reference))
    store.decide("paid", 1)
    store.decide("declined", 0)
    refund, refunded = store.refund("paid", whole())
    assert refunded is not None
    assert (refund.status, refunded.status, refunded) == ("succeeded", "refunded", store.get("paid"))
    assert store.refund("paid", whole()) == (refund, None)
    assert store.get_refund("paid", "k") == refund
    for reference in ("declined", "open"):
        with pytest.raises(ChargeRefused) as refused:
            store.refund(reference, whole())
        assert (refused.value.status, refused.value.code) == (409, "not_cancellable")
    for call in (lambda: store.refund("unknown", whole()), lambda: store.get_refund("paid", "other")):
        with pytest.raises(ChargeRefused) as unknown:
            call()
        assert (unknown.value.status, unknown.value.code) == (404, "not_found")


def test_the_refunds_of_a_charge_never_exceed_it() -> None:
    store = ChargeStore()
    store.create(request("paid"))
    store.decide("paid", 1)
    first, refunded = store.refund("paid", whole("k1", 60))
    assert (refunded, store.get("paid").status, store.get("paid").refunded) == (None, "captured", 60)
    for other in (whole("k1", 61), whole("k1", 60, "EUR")):
        with pytest.raises(ChargeRefused) as reused:
            store.refund("paid", other)
        assert (reused.value.status, reused.value.code) == (422, "key_reused")
    for too_large in (whole("k2", 41), whole("k2", 40, "EUR")):
        with pytest.raises(ChargeRefused) as refused:
            store.refund("paid", too_large)
        assert (refused.value.status, refused.value.code) == (409, "refund_too_large")
    _, refunded = store.refund("paid", whole("k2", 40))
    assert refunded is not None
    assert (refunded.status, refunded.refunded) == ("refunded", 100)
    assert store.refund("paid", whole("k1", 60)) == (first, None)


def test_the_number_of_refunds_of_a_charge_is_bounded() -> None:
    store = ChargeStore()
    store.create(request("paid", amount=REFUNDS_OF_CHARGE_MAX + 1))
    store.decide("paid", 1)
    for number in range(REFUNDS_OF_CHARGE_MAX):
        store.refund("paid", whole(f"k{number}", 1))
    with pytest.raises(ChargeRefused, match="can be refunded"):
        store.refund("paid", whole("one more", 1))


def test_a_full_store_drops_the_charge_that_was_decided_first() -> None:
    store = ChargeStore(charges_max=3)
    for reference in ("a", "b", "c"):
        store.create(request(reference))
    with pytest.raises(ChargeRefused) as full:
        store.create(request("d"))
    assert (full.value.status, full.value.code) == (503, "busy")
    store.decide("b", 1)
    store.decide("a", 1)
    store.refund("b", whole())
    store.create(request("d"))
    assert [charge.reference for charge in store.charges()] == ["a", "c", "d"]
    with pytest.raises(ChargeRefused):
        store.get_refund("b", "k")
    store.create(request("e"))
    with pytest.raises(ChargeRefused):
        store.create(request("f"))
    assert [charge.reference for charge in store.charges()] == ["c", "d", "e"]
