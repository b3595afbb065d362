"""The total that a buyer expects: comparison without rounding errors, the refusal and the request's digest."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from api.errors import InvalidRequest, NotOnSale, PriceChanged
from api.http.request_body import decode as decode_body
from api.money import to_major
from api.routes.bookings import _new_order
from api.schemas import BookingRequest
from tests.unit.services.bookings.values import NOW, refusal, request, tier

TOTAL_MAX = 10**15
"""The largest total that a request may expect, in minor units of a currency without decimals."""
BODY = '{"tier": "VIP", "quantity": 2, "userId": "ada", "expectedTotal": %s}'
decode = msgspec.json.Decoder(BookingRequest).decode


@pytest.mark.parametrize(
    ("price_minor", "quantity", "currency", "expected"),
    [
        (1250, 2, "USD", None),
        (1250, 2, "USD", 25),
        (1250, 2, "USD", 25.000000000000004),
        (1250, 1, "USD", 12.5),
        (10, 3, "USD", 0.3),
        (0, 2, "USD", 0),
        (1250, 2, "JPY", 2500),
        (1250, 3, "KWD", 3.75),
        (125_050, 3, "RSD", 3751.5),
    ],
)
def test_the_expected_total_is_accepted(price_minor: int, quantity: int, currency: str, expected: float | None) -> None:
    wanted = request(quantity=quantity, expected_total=expected)
    assert refusal(wanted, tier(price_minor=price_minor, currency=currency)) is None


@pytest.mark.parametrize(
    ("currency", "expected", "total"),
    [
        ("USD", 24.99, 25),
        ("USD", 25.01, 25),
        ("USD", 12.5, 25),
        ("USD", 0, 25),
        ("USD", 25.005, 25),
        ("USD", 24.995, 25),
        ("USD", 25.0001, 25),
        ("USD", 1e308, 25),
        ("USD", 5e-324, 25),
        ("JPY", 25, 2500),
        ("JPY", 2500.5, 2500),
        ("KWD", 25, 2.5),
    ],
)
def test_another_total_is_refused_with_the_present_one(currency: str, expected: float, total: float) -> None:
    error = refusal(request(expected_total=expected), tier(price_minor=1250, currency=currency))
    assert isinstance(error, PriceChanged)
    assert error.details == {"total": total}


@given(st.integers(0, TOTAL_MAX - 3), st.integers(1, 3), st.sampled_from(sorted(each.code for each in Currency)))
def test_only_the_exact_total_is_accepted_in_every_currency(total_minor: int, difference: int, currency: str) -> None:
    def error(expected_minor: int) -> object:
        expected = decode(BODY % msgspec.json.encode(to_major(expected_minor, currency)).decode()).expected_total
        wanted = request(quantity=1, expected_total=expected)
        return refusal(wanted, tier(price_minor=total_minor, currency=currency))

    assert error(total_minor) is None
    assert isinstance(error(total_minor + difference), PriceChanged)


def test_a_sale_that_is_over_is_refused_before_the_price() -> None:
    error = refusal(request(expected_total=1), tier(sales_end_at=NOW))
    assert isinstance(error, NotOnSale)


@pytest.mark.parametrize("written", ["25", "25.0", "2.5e1", "250e-1"])
def test_equal_numbers_make_equal_requests(written: str) -> None:
    new = [_new_order(decode(BODY % each), "show", "key", 10) for each in (written, "25")]
    assert new[0].digest == new[1].digest


def test_a_request_without_an_expected_total_keeps_the_digest_of_stored_orders() -> None:
    content = msgspec.json.encode(("show", "VIP", 2, "ada", []))
    assert request().digest == hashlib.sha256(content).digest()
    digests = {request(expected_total=total).digest for total in (None, 0, 25, 25.5)}
    assert len(digests) == 4


@pytest.mark.parametrize(
    "written",
    [
        *("-1", "-0.01", "true", '"25"', "NaN", "Infinity", "[25]"),
        *("1e999", "-1e999", "1e999999999999999999999", "1e16", "1000000000000001", "9" * 400),
    ],
)
def test_anything_but_an_amount_is_refused(written: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(BODY % written)
    with pytest.raises(InvalidRequest):
        decode_body((BODY % written).encode(), BookingRequest)


@pytest.mark.parametrize("written", ["25", "12.5", "0.3", "1250.5", "9999999999.99"])
def test_every_decoder_reads_the_same_amount(written: str) -> None:
    body = BODY.replace('"quantity": 2', '"quantity": 2.0') % written  # The fast decoder refuses 2.0.
    assert decode_body(body.encode(), BookingRequest).expected_total == decode(BODY % written).expected_total
