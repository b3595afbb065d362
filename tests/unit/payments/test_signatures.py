"""Webhooks: the signature is valid for five minutes; signed content is decoded or refused."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import standardwebhooks

from api.errors import invalid
from api.payments.signatures import (
    ID_MAX,
    InvalidSignature,
    InvalidWebhook,
    Webhook,
    sign,
    verify,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(bytes(24)).decode()
DATA = {"reference": "bk_1", "amount": 12_50, "currency": "USD"}
EVENT = {"type": "charge.captured", "timestamp": "2026-11-22T10:00:00Z", "data": DATA}
BODY = msgspec.json.encode(EVENT)


def signed(body: bytes = BODY, *, secret: str = SECRET, age: timedelta = timedelta(), **changes: str) -> dict[str, str]:
    """Return the headers of a webhook, some of them changed after it was signed."""
    headers = sign(secret, "msg_1", body, datetime.now(UTC) - age)
    return headers | {f"webhook-{name}": value for name, value in changes.items()}


def test_a_signed_webhook_is_decoded() -> None:
    expected = Webhook(id="msg_1", type="charge.captured", reference="bk_1", amount_minor=12_50, currency="USD")
    assert verify(SECRET, BODY, signed()) == expected
    assert expected.status == "captured"


def test_a_signature_equals_the_example_of_the_standard() -> None:
    # This example comes from the libraries of the Standard Webhooks specification.
    headers = sign(
        SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_header_names_are_case_insensitive() -> None:
    headers = {name.title(): value for name, value in signed().items()}
    assert verify(SECRET, BODY, headers).id == "msg_1"


def test_one_valid_signature_among_several_suffices() -> None:
    good, other = signed()["webhook-signature"], signed(secret=OTHER)["webhook-signature"]
    assert verify(SECRET, BODY, signed(signature=f"v1a,x {other} {good}")).id == "msg_1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *({name: value for name, value in signed().items() if name != missing} for missing in signed()),
        signed(secret=OTHER),
        signed(b"{}"),
        signed(id="msg_2"),
        signed(id=""),
        signed(signature=""),
        signed(signature="v1"),
        signed(signature="v1,"),
        signed(signature="v1,*"),
        signed(signature="v1,é"),
        signed(signature="v1,a,b"),
        signed(signature=signed()["webhook-signature"].replace("v1", "v2")),
        signed(timestamp="now"),
        signed(timestamp="nan"),
        signed(timestamp="1e999"),
        signed(timestamp=str(int(datetime.now(UTC).timestamp()) - 60)),
    ],
)
def test_a_missing_or_wrong_signature_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature):
        verify(SECRET, BODY, headers)


@pytest.mark.parametrize("minutes", [6, -6])
def test_a_signature_from_the_past_or_the_future_is_refused(minutes: int) -> None:
    with pytest.raises(InvalidSignature):
        verify(SECRET, BODY, signed(age=timedelta(minutes=minutes)))


@pytest.mark.parametrize("body", [BODY[1:] + BODY[:1], BODY + b" ", BODY.replace(b"1250", b"1"), b"", b"\xff"])
def test_a_changed_body_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidSignature):
        verify(SECRET, body, signed())


@pytest.mark.parametrize("data", [DATA, {}, {"payout": 1}, None])
def test_an_unknown_event_type_has_no_reference_and_no_status(data: Any) -> None:
    body = msgspec.json.encode({"type": "payout.created", "data": data})
    webhook = verify(SECRET, body, signed(body))
    assert (webhook.type, webhook.reference, webhook.status) == ("payout.created", "", None)


def test_unknown_fields_of_a_known_event_are_ignored() -> None:
    body = msgspec.json.encode({**EVENT, "more": 1, "data": {**DATA, "more": 1}})
    assert verify(SECRET, body, signed(body)).reference == "bk_1"


def test_an_id_that_is_too_long_is_refused() -> None:
    headers = sign(SECRET, "m" * (ID_MAX + 1), BODY, datetime.now(UTC))
    with pytest.raises(InvalidWebhook) as refusal:
        verify(SECRET, BODY, headers)
    assert refusal.value.field == "webhook-id"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"type": "charge.captured"}'])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidWebhook):
        verify(SECRET, body, signed(body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (rb'{"type": "\ud800"}', "body: not valid JSON: half a surrogate pair"),
        (BODY.replace(b"USD", b"usd"), "data.currency: must be three capital letters, such as USD"),
    ],
    ids=["surrogate", "currency"],
)
def test_the_fault_of_a_signed_body_is_explained(body: bytes, message: str) -> None:
    with pytest.raises(InvalidWebhook) as refusal:
        verify(SECRET, body, signed(body))
    assert invalid(refusal.value.reason, refusal.value.field).message == message


def test_the_standards_own_library_verifies_a_signature() -> None:
    assert standardwebhooks.Webhook(SECRET).verify(BODY, signed()) == EVENT
