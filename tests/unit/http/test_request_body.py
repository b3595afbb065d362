"""Decoding of request bodies: each refusal names the field at fault without the library's internal terms."""

from typing import Any

import msgspec
import pytest

from api.errors import invalid
from api.schemas import BookingRequest

GOOD: dict[str, Any] = {"tier": "VIP", "quantity": 1, "userId": "user-123"}


def refusal_of(body: object) -> tuple[str, str]:
    """Decode an invalid body; return the field and the message of the refusal."""
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.json.decode(msgspec.json.encode(body), type=BookingRequest)
    (fault,) = invalid(str(error.value)).body()["errors"]
    return fault["field"], fault["message"]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ([], "body", "must be an object, not a list"),
        ({}, "tier", "is required"),
        ({"tier": "VIP", "quantity": 1}, "userId", "is required"),
        (GOOD | {"seat": 1}, "seat", "is not a field of this request"),
        (GOOD | {"`odd` name": 1}, "`odd` name", "is not a field of this request"),
        (GOOD | {"quantity": "2"}, "quantity", "must be a whole number, not a text"),
        (GOOD | {"quantity": 0}, "quantity", "must be at least 1"),
        (GOOD | {"tier": "V\0IP"}, "tier", "contains characters that are not allowed"),
        (GOOD | {"bookingReference": "a/b"}, "bookingReference", "contains characters that are not allowed"),
        (GOOD | {"ticketIds": [1, "2"]}, "ticketIds[1]", "must be a whole number, not a text"),
    ],
)
def test_the_field_at_fault_is_named(body: object, field: str, message: str) -> None:
    assert refusal_of(body) == (field, message)


@pytest.mark.parametrize(
    ("reason", "field", "named"),
    [
        ("Expected `str` of length >= 1", "Idempotency-Key", "Idempotency-Key"),
        ("Expected `int`, got `str` - at `$.limit`", "", "limit"),
        ("Object missing required field `price` - at `$.tiers[2]`", "", "tiers[2].price"),
        ("Object contains unknown field `x` - at `$.tiers[2]`", "order", "order.tiers[2].x"),
        ("something else altogether", "", "body"),
    ],
)
def test_a_value_is_named_by_its_location(reason: str, field: str, named: str) -> None:
    refusal = invalid(reason, field)
    assert refusal.body()["errors"][0]["field"] == named
    assert refusal.message.startswith(f"{named}: ")
