"""The webhook route: a signature or a body that is not valid becomes a refusal of the API."""

import functools
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from api.errors import InvalidRequest, Unauthorized
from api.payments.signatures import ID_MAX, sign
from api.payments.signatures import verify as verify_signed
from api.routes.payments import verified_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DATA = {"reference": "bk_1", "amount": 12_50, "currency": "USD"}
EVENT = {"type": "charge.captured", "timestamp": "2026-11-22T10:00:00Z", "data": DATA}


def verify(body: bytes, webhook_id: str = "msg_1") -> Any:
    return verified_webhook(
        functools.partial(verify_signed, SECRET), body, sign(SECRET, webhook_id, body, datetime.now(UTC))
    )


def test_a_signed_webhook_is_accepted() -> None:
    assert verify(msgspec.json.encode(EVENT)).reference == "bk_1"


def test_a_webhook_without_a_signature_is_unauthorized() -> None:
    with pytest.raises(Unauthorized):
        verified_webhook(functools.partial(verify_signed, SECRET), msgspec.json.encode(EVENT), {})


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
def test_a_signed_body_that_is_not_valid_is_refused_with_its_field(body: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        verify(body if isinstance(body, bytes) else msgspec.json.encode(body))
    assert refusal.value.body()["errors"][0]["field"] == field


def test_an_id_that_is_too_long_is_refused_with_its_header() -> None:
    with pytest.raises(InvalidRequest, match="webhook-id: must have at most 256 characters"):
        verify(msgspec.json.encode(EVENT), "m" * (ID_MAX + 1))
