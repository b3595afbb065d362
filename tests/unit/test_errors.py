"""Errors: each has a status, a code and words, and is a problem document on the wire (RFC 9457)."""

import json
import re

import pytest
from litestar.openapi.datastructures import ResponseSpec

from api.errors import (
    ApiError,
    Busy,
    InvalidRequest,
    RateLimited,
    SoldOut,
)
from api.http.problems import MEDIA_TYPE, answers, problem
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
    (422, "key_reused"),
    (429, "rate_limited"),
    (503, "busy"),
}


def example(kind: type[ApiError]) -> ApiError:
    if kind is RateLimited:
        return RateLimited("Something is wrong.", limit="bookings", quota=10, window_s=60, retry_after_s=33)
    return kind("Something is wrong.")


each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def test_the_errors_of_the_contract_are_there_and_no_code_means_two_things() -> None:
    codes = [kind.code for kind in KINDS]
    assert {(kind.status, kind.code) for kind in KINDS} >= CONTRACT
    assert len(codes) == len(set(codes))


@each_kind
def test_an_error_has_a_status_a_code_a_title_and_a_reason_to_exist(kind: type[ApiError]) -> None:
    assert 400 <= kind.status <= 599
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert kind.title == kind.code.capitalize().replace("_", " ")
    assert kind.__doc__
    assert not kind.__subclasses__()  # one small tree: what a route documents are the children of ApiError


@each_kind
def test_an_error_is_a_problem_document_with_this_apis_members(kind: type[ApiError]) -> None:
    body = example(kind).body()
    assert list(body)[:4] == ["type", "title", "status", "detail"]
    assert (body["type"], body["title"], body["status"]) == ("about:blank", kind.title, kind.status)
    assert (body["success"], body["code"]) == (False, kind.code)
    assert body["message"] == body["detail"]
    assert body["message"].endswith("Something is wrong.")
    assert body.keys() <= set(Problem.__struct_encode_fields__)


def test_details_join_the_body_under_their_own_names() -> None:
    assert SoldOut("Only 2 left.", available=2).body()["available"] == 2


def test_an_invalid_request_names_the_field() -> None:
    error = InvalidRequest("is required", field="userId")
    assert error.message == "userId: is required"
    assert error.body()["errors"] == [{"field": "userId", "message": "is required"}]


def test_an_answer_carries_its_headers_and_is_never_kept_by_a_cache() -> None:
    answer = problem(Busy("Come back.", retry_after_s=1, reference="bk_1"), {"X-More": "yes"})
    assert (answer.status, answer.media_type) == (503, MEDIA_TYPE)
    expected = {"Retry-After": "1", "X-More": "yes", "Cache-Control": "no-store"}
    assert answer.headers == expected
    assert json.loads(answer.body)["reference"] == "bk_1"


def test_a_limit_says_what_it_is_and_when_it_admits_again() -> None:
    assert example(RateLimited).headers() == {
        "Retry-After": "33",
        "RateLimit-Policy": '"bookings";q=10;w=60',
        "RateLimit": '"bookings";r=0;t=33',
    }


def test_an_error_without_a_time_to_come_back_names_none() -> None:
    assert "Retry-After" not in problem(SoldOut("None left.", available=0)).headers


def test_a_documented_status_lists_its_codes() -> None:
    documented = answers(404, 503)
    assert documented.keys() == {404, 503}
    assert all(isinstance(spec, ResponseSpec) and spec.media_type == MEDIA_TYPE for spec in documented.values())
    assert documented[404].description == "`not_found` or `unknown_event` or `unknown_tier`"
