"""Errors: each refusal has one definition and is a problem document on the wire (RFC 9457)."""

import json
import re
from datetime import UTC, datetime

import msgspec
import pytest

from api.errors import (
    AllHeld,
    AmountTooSmall,
    ApiError,
    BodyTooLarge,
    Busy,
    BuyerLimit,
    Forbidden,
    InternalError,
    InvalidRequest,
    KeyReused,
    MethodNotAllowed,
    NotCancellable,
    NotFound,
    NotOnSale,
    PaymentDeclined,
    PriceChanged,
    RateLimited,
    RequestTimeout,
    SeatTaken,
    SecretUnchanged,
    SoldOut,
    Unauthorized,
    UnknownEvent,
    UnknownTier,
    UnsupportedMediaType,
)
from api.http.problems import MEDIA_TYPE, problem
from api.schemas import Problem

KINDS = ApiError.__subclasses__()
CONTRACT = {
    (400, "invalid_request"),
    (401, "unauthorized"),
    (402, "payment_declined"),
    (403, "forbidden"),
    (404, "unknown_tier"),
    (404, "unknown_event"),
    (404, "not_found"),
    (409, "sold_out"),
    (409, "all_held"),
    (409, "seat_taken"),
    (409, "not_on_sale"),
    (409, "price_changed"),
    (422, "key_reused"),
    (429, "rate_limited"),
    (503, "busy"),
}
OPENS, CLOSES = datetime(2026, 1, 2, 9, 30, tzinfo=UTC), datetime(2026, 3, 4, 20, tzinfo=UTC)

EXAMPLES: list[tuple[ApiError, str, dict[str, str]]] = [
    (InvalidRequest("is required", field="userId"), "userId: is required", {}),
    (Unauthorized(), "The signature is missing, wrong or too old.", {}),
    (PaymentDeclined("bk_1"), "The payment was declined, so nothing was booked.", {}),
    (Forbidden(), "This booking belongs to another buyer.", {}),
    (UnknownTier("Balcony"), "The event has no tier 'Balcony'.", {}),
    (UnknownEvent("no-such-evening"), "There is no event 'no-such-evening'.", {}),
    (NotFound("booking bk_1"), "There is no booking bk_1.", {}),
    (MethodNotAllowed("PUT", "GET, POST"), "This address does not support PUT.", {"Allow": "GET, POST"}),
    (SoldOut("VIP", 2), "Only 2 tickets of VIP are left.", {}),
    (SoldOut("VIP", 1), "Only 1 ticket of VIP is left.", {}),
    (SoldOut("VIP", 0), "VIP is sold out.", {}),
    (AllHeld("VIP", 0, retry_after_s=40), "Other buyers hold the remaining tickets of VIP", {"Retry-After": "40"}),
    (AllHeld("VIP", 1, retry_after_s=40), "Only 1 of VIP is available.", {"Retry-After": "40"}),
    (AllHeld("VIP", 2, retry_after_s=40), "Only 2 of VIP are available. Other buyers hold more", {"Retry-After": "40"}),
    (SeatTaken({1: "row A seat 1", 7: "ticket 7"}), "Already taken: row A seat 1, ticket 7.", {}),
    (PriceChanged(19_800, "USD"), "The price has changed: the total is now 198.00 USD. Nothing was booked.", {}),
    (AmountTooSmall(49, 50, "USD"), "The total of 0.49 USD is too small for a payment.", {}),
    (BuyerLimit("VIP", 4, 1), "One buyer can have at most 4 tickets of VIP. You can book 1 more.", {}),
    (BuyerLimit(None, 1, 0), "One buyer can have at most 1 ticket. You cannot book any more.", {}),
    (NotOnSale((OPENS, CLOSES)), "begins at 2026-01-02 09:30 UTC and ends at 2026-03-04 20:00 UTC.", {}),
    (NotOnSale(None), "The concert is cancelled", {}),
    (NotCancellable("the event has begun"), "This booking cannot be cancelled: the event has begun.", {}),
    (
        SecretUnchanged(),
        "The proposed secret is the booking's present one. Propose another one. Nothing was revoked.",
        {},
    ),
    (RequestTimeout(), "The request's body did not arrive in time.", {"Connection": "close"}),
    (BodyTooLarge(4096), "The request's body is larger than 4096 bytes.", {}),
    (UnsupportedMediaType("text/plain"), "The header Content-Type must be application/json. It is 'text/plain'.", {}),
    (KeyReused("bk_1"), "Another request with a different body used the key bk_1.", {}),
    (KeyReused("a", in_body="b"), "The header Idempotency-Key and bookingReference name different keys: a and b.", {}),
    (
        RateLimited("bookings", quota=10, window_s=60, retry_after_s=33),
        "At most 10 bookings by one buyer are possible in 60 s. Try again in 33 s.",
        {"Retry-After": "33", "RateLimit-Policy": '"bookings";q=10;w=60', "RateLimit": '"bookings";r=0;t=33'},
    ),
    (InternalError(), "Something went wrong on our side.", {}),
    (InternalError(booked_nothing=True), "This request has booked nothing.", {}),
    (Busy(), "The box office does not respond at the moment.", {"Retry-After": "1"}),
    (Busy("overload", reference="bk_1"), "Very many people are booking at the moment.", {"Retry-After": "1"}),
    (Busy("payments"), "Payments are not possible at the moment.", {"Retry-After": "5"}),
    (Busy(unknown=True, reference="bk_1"), "The outcome of this request is not known yet.", {"Retry-After": "1"}),
]

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
each_example = pytest.mark.parametrize(
    ("error", "message", "headers"), EXAMPLES, ids=[f"{error.code}-{message[:20]}" for error, message, _ in EXAMPLES]
)


def test_the_refusals_of_the_contract_exist_and_each_code_has_one_meaning() -> None:
    codes = [kind.code for kind in KINDS]
    assert {(kind.status, kind.code) for kind in KINDS} >= CONTRACT
    assert len(codes) == len(set(codes))


def test_each_refusal_has_an_example() -> None:
    assert {type(error) for error, _, _ in EXAMPLES} == set(KINDS)


@each_kind
def test_a_refusal_has_a_status_a_code_a_title_and_a_description(kind: type[ApiError]) -> None:
    assert 400 <= kind.status <= 599
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert kind.title == kind.code.capitalize().replace("_", " ")
    assert kind.__doc__
    assert not kind.__subclasses__()  # Routes document the direct subclasses of ApiError.


@each_example
def test_a_refusal_is_a_problem_document(error: ApiError, message: str, headers: dict[str, str]) -> None:
    body = error.body()
    assert list(body)[:4] == ["type", "title", "status", "detail"]
    assert (body["type"], body["title"], body["status"]) == ("about:blank", error.title, error.status)
    assert (body["success"], body["code"]) == (False, error.code)
    assert body["message"] == body["detail"]
    assert message in body["message"]
    assert body.keys() <= set(Problem.__struct_encode_fields__)
    msgspec.convert(body, Problem)
    assert error.headers() == headers


@pytest.mark.parametrize(
    ("error", "details"),
    [
        (SoldOut("VIP", 2), {"available": 2}),
        (AllHeld("VIP", 1, retry_after_s=40), {"available": 1}),
        (SeatTaken({1: "row A seat 1", 7: "ticket 7"}), {"ticketIds": [1, 7]}),
        (BuyerLimit("VIP", 4, 1), {"remaining": 1}),
        (PriceChanged(125_050, "RSD"), {"total": 1250.5}),
        (PaymentDeclined("bk_1"), {"reference": "bk_1"}),
        (Busy("overload", reference="bk_1"), {"reference": "bk_1"}),
        (Busy(unknown=True, reference="bk_1"), {"reference": "bk_1", "unknown": True}),
        (Busy(), {}),
        (InvalidRequest("is required", field="userId"), {"errors": [{"field": "userId", "message": "is required"}]}),
    ],
    ids=lambda value: value.code if isinstance(value, ApiError) else "",
)
def test_a_refusal_has_its_own_members(error: ApiError, details: dict[str, object]) -> None:
    assert {name: value for name, value in error.body().items() if name in details} == details
    assert error.details == details


def test_only_an_unknown_outcome_does_not_claim_that_nothing_was_booked() -> None:
    assert "booked nothing" not in Busy(unknown=True).message
    assert all("booked nothing" in Busy(cause).message for cause in ("database", "overload", "payments"))


def test_a_response_has_the_headers_of_its_refusal_and_is_never_cached() -> None:
    response = problem(Busy(reference="bk_1"), {"X-More": "yes"})
    assert (response.status, response.media_type) == (503, MEDIA_TYPE)
    assert response.headers == {"Retry-After": "1", "X-More": "yes", "Cache-Control": "no-store"}
    assert json.loads(response.body)["reference"] == "bk_1"
