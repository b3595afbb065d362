"""Decoding of request bodies: each refusal names the field at fault without the library's internal terms."""

from typing import Any

import msgspec
import pytest

from api.errors import InvalidRequest, invalid
from api.http.request_body import decode
from api.schemas import BookingRequest

TEXT_RULE = "must have a visible character, and no control or direction characters"
REFERENCE_RULE = "may have letters, digits and . _ : ~ + = @ - only, and must not be . or .."
GOOD: dict[str, Any] = {"tier": "VIP", "quantity": 1, "userId": "user-123"}


def refusal_of(body: object) -> tuple[str, str]:
    """Decode an invalid body; return the field and the message of the refusal."""
    (fault,) = faults_of(msgspec.json.encode(body))
    return fault


def faults_of(body: bytes) -> list[tuple[str, str]]:
    """Decode an invalid body; return the fields and messages of the refusal."""
    with pytest.raises(InvalidRequest) as error:
        decode(body, BookingRequest)
    return [(fault["field"], fault["message"]) for fault in error.value.body()["errors"]]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ([], "body", "must be an object, not a list"),
        ({"tier": "VIP", "quantity": 1}, "userId", "is required"),
        (GOOD | {"seat": 1}, "seat", "is not a field of this request"),
        (GOOD | {"`odd` name": 1}, "`odd` name", "is not a field of this request"),
        (GOOD | {"quantity": "2"}, "quantity", "must be a whole number, not a text"),
        (GOOD | {"quantity": 0}, "quantity", "must be at least 1"),
        (GOOD | {"quantity": 1.5}, "quantity", "must be a whole number"),
        (GOOD | {"quantity": True}, "quantity", "must be a whole number, not true or false"),
        (GOOD | {"tier": "V\0IP"}, "tier", TEXT_RULE),
        (GOOD | {"userId": "\u200b "}, "userId", TEXT_RULE),
        (GOOD | {"bookingReference": "a/b"}, "bookingReference", REFERENCE_RULE),
        (GOOD | {"bookingReference": ".."}, "bookingReference", REFERENCE_RULE),
        (GOOD | {"userId": "u" * 129}, "userId", "must have at most 128 characters"),
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


def test_every_fault_is_named() -> None:
    assert faults_of(b'{"quantity": "2", "userId": "", "seat": 1}') == [
        ("tier", "is required"),
        ("quantity", "must be a whole number, not a text"),
        ("userId", "must not be empty"),
        ("seat", "is not a field of this request"),
    ]


@pytest.mark.parametrize("number", [b"2.0", b"2e0", b"0.2E1", b"20e-1", b"2." + b"0" * 5000])
def test_a_whole_number_may_have_a_fraction_or_an_exponent(number: bytes) -> None:
    assert decode(with_quantity(number), BookingRequest).quantity == 2


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (b"2.5", "must be a whole number"),
        (b"1e999", "must be a whole number"),
        (b"1e999999999", "must be a whole number"),
        (b"1" + b"0" * 5000, "is out of range"),
        (b"1" + b"0" * 5000 + b".5", "must be a whole number"),
        (b"-1.0", "must be at least 1"),
        (b"1e-999999999", "must be a whole number"),
    ],
    ids=lambda value: value[:12],
)
def test_a_number_that_no_quantity_can_be_is_refused(number: bytes, message: str) -> None:
    assert faults_of(with_quantity(number)) == [("quantity", message)]


@pytest.mark.parametrize("number", [b"0x2", b"0, ]", b'2.5, "seat": \xff'], ids=["hexadecimal", "bracket", "bytes"])
def test_malformed_json_after_a_fault_is_called_malformed(number: bytes) -> None:
    ((field, message),) = faults_of(with_quantity(number))
    assert field == "body"
    assert message.startswith("not valid JSON")


def test_a_byte_order_mark_is_ignored() -> None:
    assert decode(b"\xef\xbb\xbf" + msgspec.json.encode(GOOD), BookingRequest).tier == "VIP"


@pytest.mark.parametrize("text", [rb"\ud800", rb"\ud800x", rb"\udbff\u0041", rb"\udc00"])
def test_half_a_surrogate_pair_is_called_by_its_name(text: bytes) -> None:
    ((field, message),) = faults_of(b'{"tier": "VIP", "quantity": 1, "userId": "%b"}' % text)
    assert field == "body"
    assert "surrogate pair" in message


def with_quantity(number: bytes) -> bytes:
    return b'{"tier": "VIP", "userId": "user-123", "quantity": %b}' % number
