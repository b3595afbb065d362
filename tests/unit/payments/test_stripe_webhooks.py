"""Webhooks of Stripe: their signatures in both directions of time, and the objects that they name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from api.payments.signatures import InvalidSignature, InvalidWebhook, Webhook
from api.payments.stripe_simulator.signatures import sign
from api.payments.stripe_webhooks import verify

OLD, NEW = f"whsec_{'a' * 24}", f"whsec_{'b' * 24}"


def event(about: dict[str, Any], event_type: str = "checkout.session.completed") -> bytes:
    return msgspec.json.encode({"id": "evt_1", "type": event_type, "data": {"object": about}})


def read(body: bytes, *, secret: str = NEW, age: timedelta = timedelta()) -> Webhook:
    return verify((OLD, NEW), body, sign(secret, body, datetime.now(UTC) - age))


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_each_secret_is_accepted(secret: str) -> None:
    found = read(event({"id": "cs_1", "object": "checkout.session", "client_reference_id": "bk_1"}), secret=secret)
    assert found == Webhook(id="evt_1", type="checkout.session.completed", changed="bk_1")
    assert found.status is None


@pytest.mark.parametrize("age_s", [-290, 0, 290])
def test_a_time_within_five_minutes_is_accepted(age_s: int) -> None:
    assert read(event({}), age=timedelta(seconds=age_s)).id == "evt_1"


@pytest.mark.parametrize("age_s", [-3600, -310, 310, 3600])
def test_a_time_beyond_five_minutes_is_refused(age_s: int) -> None:
    with pytest.raises(InvalidSignature):
        read(event({}), age=timedelta(seconds=age_s))


def test_a_wrong_signature_is_refused() -> None:
    body = event({})
    with pytest.raises(InvalidSignature):
        read(body, secret=f"whsec_{'c' * 24}")
    with pytest.raises(InvalidSignature):
        verify((NEW,), body + b" ", sign(NEW, body, datetime.now(UTC)))
    for header in ("", "t=1", "v1=a", "t=a,v1=b", "nonsense", "t=1,v1=é"):
        with pytest.raises(InvalidSignature):
            verify((NEW,), body, {"Stripe-Signature": header})
    with pytest.raises(InvalidSignature):
        verify((NEW,), b"\xff", {"stripe-signature": "t=1,v1=a"})


@pytest.mark.parametrize(
    ("about", "changed", "dispute_id"),
    [
        ({"object": "refund", "id": "re_1", "metadata": {"reference": "bk_1", "key": "k"}}, "bk_1", ""),
        ({"object": "dispute", "id": "du_1", "payment_intent": "pi_1"}, "", "du_1"),
        ({"object": "balance"}, "", ""),
        ({"object": "payment_intent", "id": "pi_1", "metadata": {"reference": "of another\nprogram"}}, "", ""),
        ({"object": "payment_intent", "id": "pi_1", "metadata": None}, "", ""),
    ],
)
def test_a_webhook_names_the_changed_object(about: dict[str, Any], changed: str, dispute_id: str) -> None:
    found = read(event(about, "charge.updated"))
    assert (found.changed, found.dispute_id) == (changed, dispute_id)


@pytest.mark.parametrize("body", [b"[]", b"{}", b"{", b'{"id":"","type":"a","data":{"object":{}}}', b"[" * 2000])
def test_a_signed_body_that_is_no_event_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidWebhook):
        read(body)
