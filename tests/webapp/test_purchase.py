"""A purchase is repeated under one key, and only where repeating can help."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.webapp.doubles import ORDER, FakeApi, problem
from webapp.client import Answer
from webapp.models import Order
from webapp.purchase import TRIES, Purchase, carry_out, read_form

PURCHASE = Purchase.new("VIP", 2, "user-1")


async def _carry_out(api: FakeApi) -> tuple[Answer[Order], list[str], list[float]]:
    told: list[str] = []
    waits: list[float] = []

    async def tell(text: str) -> None:
        told.append(text)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return await carry_out(PURCHASE, api, tell, sleep), told, waits


async def test_a_first_answer_is_final_unless_it_asks_for_another_try() -> None:
    for answer in (Answer(ORDER), *(problem(kind) for kind in ("declined", "sold_out", "rate_limited", "refused"))):
        api = FakeApi(book=[answer])
        assert await _carry_out(api) == (answer, [], [])
        assert api.asked == [("book", PURCHASE.reference)]


async def test_busy_waits_as_long_as_the_api_says_and_keeps_the_key() -> None:
    api = FakeApi(book=[problem("busy", retry_after_s=3), problem("busy", retry_after_s=60), Answer(ORDER)])
    answer, told, waits = await _carry_out(api)
    assert answer.value == ORDER
    assert told == ["Very busy, trying again (2/5)", "Very busy, trying again (3/5)"]
    assert waits == [3, 10]
    assert api.asked == [("book", PURCHASE.reference)] * 3


async def test_busy_comes_to_an_end() -> None:
    api = FakeApi(book=[problem("busy", retry_after_s=1)] * TRIES)
    answer, told, _ = await _carry_out(api)
    assert answer == problem("busy", retry_after_s=1)
    assert len(told) == TRIES - 1


async def test_after_a_lost_connection_the_api_is_asked_before_anything_is_sent_again() -> None:
    api = FakeApi(book=[problem("unreachable")], find=[Answer(ORDER)])
    answer, told, _ = await _carry_out(api)
    assert answer.value == ORDER
    assert told == ["Connection lost, asking what became of your booking (2/5)"]
    assert api.asked == [("book", PURCHASE.reference), ("find", PURCHASE.reference)]


async def test_what_did_not_arrive_is_sent_again_under_the_same_key() -> None:
    api = FakeApi(book=[problem("unreachable"), Answer(ORDER)], find=[problem("not_found")])
    answer, _, _ = await _carry_out(api)
    assert answer.value == ORDER
    assert api.asked == [("book", PURCHASE.reference), ("find", PURCHASE.reference), ("book", PURCHASE.reference)]


async def test_an_api_that_is_gone_is_given_up() -> None:
    api = FakeApi(book=[problem("unreachable")] * TRIES, find=[problem("unreachable")] * TRIES)
    answer, _, _ = await _carry_out(api)
    assert answer == problem("unreachable")


@pytest.mark.parametrize("kind", ["busy", "rate_limited"])
async def test_once_an_answer_was_lost_busy_does_not_mean_that_nothing_was_booked(kind: Any) -> None:
    api = FakeApi(book=[problem("unreachable"), *[problem(kind)] * TRIES], find=[problem("busy")] * TRIES)
    answer, _, _ = await _carry_out(api)
    assert answer.problem is not None
    assert answer.problem.kind == "unreachable"


async def test_a_purchase_that_was_left_in_doubt_stays_so_when_the_api_is_busy() -> None:
    api = FakeApi(book=[problem("busy")] * TRIES, find=[problem("not_found")] * TRIES)

    async def nothing(_: Any) -> None: ...

    answer = await carry_out(replace(PURCHASE, in_doubt=True), api, nothing, nothing)
    assert answer == problem("unreachable", message="About busy")


def test_keys_are_hard_to_guess_and_new_each_time() -> None:
    keys = {Purchase.new("VIP", 1, "user-1").reference for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch("bk_[a-z2-7]{26}", key) for key in keys)


def test_a_purchase_survives_the_browsers_storage() -> None:
    assert Purchase.from_json(PURCHASE.to_json()) == PURCHASE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "{}",
        PURCHASE.to_json().replace("bk_", "../"),
        PURCHASE.to_json().replace(": 2", ': "many"'),
    ],
)
def test_what_a_browser_has_tampered_with_is_no_purchase(text: str) -> None:
    assert Purchase.from_json(text) is None


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ({}, "Choose a tier first."),
        ({"tier": "VIP", "quantity": "1", "user_id": "  "}, "Type your user id, so that you find your tickets again."),
        ({"tier": "VIP", "quantity": "1", "user_id": "u" * 129}, "A user id has at most 128 characters."),
        ({"tier": "VIP", "quantity": "0", "user_id": "u"}, "Choose how many tickets."),
        ({"tier": "VIP", "quantity": "-3", "user_id": "u"}, "Choose how many tickets."),
        ({"tier": "VIP", "quantity": "two", "user_id": "u"}, "Choose how many tickets."),
        ({"tier": "VIP", "quantity": [1], "user_id": "u"}, "Choose how many tickets."),
    ],
)
def test_a_form_that_cannot_be_sent_says_why(form: dict[str, Any], complaint: str) -> None:
    assert read_form(form) == complaint


def test_a_form_makes_a_purchase() -> None:
    purchase = read_form({"tier": "Front Row", "quantity": "3", "user_id": " user-1 "})
    assert isinstance(purchase, Purchase)
    assert (purchase.tier, purchase.quantity, purchase.user_id) == ("Front Row", 3, "user-1")
