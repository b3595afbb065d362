"""Webhooks: taken if they were signed with this secret of late, and then understood or refused."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import standardwebhooks

from api.errors import InvalidRequest, Unauthorized
from api.payments.signatures import (
    ID_MAX,
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


def test_what_was_signed_is_understood() -> None:
    expected = Webhook(id="msg_1", type="charge.captured", reference="bk_1", amount_minor=12_50, currency="USD")
    assert verify(SECRET, BODY, signed()) == expected
    assert expected.status == "captured"


def test_a_signature_is_that_of_the_standard() -> None:
    # The example of the Standard Webhooks specification's own libraries.
    headers = sign(
        SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_case_of_a_headers_name_does_not_matter() -> None:
    headers = {name.title(): value for name, value in signed().items()}
    assert verify(SECRET, BODY, headers).id == "msg_1"


def test_one_good_signature_among_several_is_enough() -> None:
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
    with pytest.raises(Unauthorized):
        verify(SECRET, BODY, headers)


@pytest.mark.parametrize("minutes", [6, -6])
def test_an_old_signature_is_refused_and_one_from_the_future(minutes: int) -> None:
    with pytest.raises(Unauthorized):
        verify(SECRET, BODY, signed(age=timedelta(minutes=minutes)))


@pytest.mark.parametrize("body", [BODY[1:] + BODY[:1], BODY + b" ", BODY.replace(b"1250", b"1"), b"", b"\xff"])
def test_a_changed_body_is_refused(body: bytes) -> None:
    with pytest.raises(Unauthorized):
        verify(SECRET, body, signed())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        ([], "body"),
        ({}, "type"),
        ({"type": ""}, "type"),
        ({"type": 1}, "type"),
        ({"type": "charge.captured"}, "timestamp"),
        ({**EVENT, "data": {}}, "data.reference"),
        ({**EVENT, "data": {**DATA, "reference": "a\0b"}}, "data.reference"),
        ({**EVENT, "data": {**DATA, "amount": "1250"}}, "data.amount"),
        ({**EVENT, "data": {**DATA, "amount": -1}}, "data.amount"),
        ({**EVENT, "data": {**DATA, "currency": "usd"}}, "data.currency"),
    ],
)
def test_what_was_signed_but_is_not_understood_is_refused_with_the_field(body: Any, field: str) -> None:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    with pytest.raises(InvalidRequest) as refusal:
        verify(SECRET, raw, signed(raw))
    assert refusal.value.body()["errors"][0]["field"] == field


@pytest.mark.parametrize("data", [DATA, {}, {"payout": 1}, None])
def test_a_type_that_is_not_known_is_taken_and_says_so(data: Any) -> None:
    body = msgspec.json.encode({"type": "payout.created", "data": data})
    webhook = verify(SECRET, body, signed(body))
    assert (webhook.type, webhook.reference, webhook.status) == ("payout.created", "", None)


def test_fields_that_a_provider_adds_do_no_harm() -> None:
    body = msgspec.json.encode({**EVENT, "more": 1, "data": {**DATA, "more": 1}})
    assert verify(SECRET, body, signed(body)).reference == "bk_1"


def test_an_id_that_is_too_long_is_refused() -> None:
    headers = sign(SECRET, "m" * (ID_MAX + 1), BODY, datetime.now(UTC))
    with pytest.raises(InvalidRequest, match="webhook-id"):
        verify(SECRET, BODY, headers)


def test_others_who_speak_the_standard_verify_what_is_signed_here() -> None:
    assert standardwebhooks.Webhook(SECRET).verify(BODY, signed()) == EVENT
