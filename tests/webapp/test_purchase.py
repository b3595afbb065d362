"""A purchase is repeated under one key, and only where repeating can help."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.webapp.doubles import ORDER, FakeApi, problem
from webapp.client import Answer
from webapp.models import Order
from webapp.purchase import TRIES, Purchase, carry_out, key_of, read_form

PURCHASE = Purchase("concert", "VIP", 2, "user-1", (7, 8))


async def _carry_out(api: FakeApi) -> tuple[Answer[Order], list[tuple[str, int]], list[float]]:
    told: list[tuple[str, int]] = []
    waits: list[float] = []

    async def tell(what: str, attempt: int) -> None:
        told.append((what, attempt))

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
    assert told == [("busy", 2), ("busy", 3)]
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
    assert told == [("asking", 2)]
    assert api.asked == [("book", PURCHASE.reference), ("find", PURCHASE.reference)]


async def test_what_did_not_arrive_is_sent_again_under_the_same_key() -> None:
    api = FakeApi(book=[problem("unreachable"), Answer(ORDER)], find=[problem("not_found")])
    answer, _, _ = await _carry_out(api)
    assert answer.value == ORDER
    assert api.asked == [("book", PURCHASE.reference), ("find", PURCHASE.reference), ("book", PURCHASE.reference)]


@pytest.mark.parametrize(
    ("found", "told"), [(Answer(ORDER), Answer(ORDER)), (problem("unreachable"), problem("unreachable"))]
)
async def test_what_was_booked_under_its_key_before_is_what_became_of_it(found: Any, told: Any) -> None:
    api = FakeApi(book=[problem("key_reused")], find=[found])
    answer, _, _ = await _carry_out(api)
    assert answer == told


@pytest.mark.parametrize("click", ["", "bk_1", "bk_1.2", "../x", 7, None])
def test_a_form_whose_key_is_none_gets_one(click: Any) -> None:
    form = {"event": "concert", "tier": "VIP", "quantity": "1", "user_id": "user-1", "click": click}
    purchase = read_form(form)
    assert isinstance(purchase, Purchase)
    assert key_of(purchase.reference) == purchase.reference
    form["click"] = f"{purchase.reference}.1"
    assert read_form(form) == purchase


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

    async def nothing(*_: Any) -> None: ...

    answer = await carry_out(replace(PURCHASE, in_doubt=True), api, nothing, nothing)
    assert answer == problem("unreachable")


def test_keys_are_hard_to_guess_and_new_each_time() -> None:
    keys = {Purchase("concert", "VIP", 1, "user-1").reference for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch("bk_[a-z2-7]{26}", key) for key in keys)


def test_a_purchase_survives_the_browsers_storage() -> None:
    assert Purchase.from_json(PURCHASE.to_json()) == PURCHASE


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}"])
def test_what_was_never_a_purchase_is_none(text: str) -> None:
    assert Purchase.from_json(text) is None


@pytest.mark.parametrize(
    ("kept", "tampered"), [("bk_", "../"), (": 2", ': "many"'), ("[7, 8]", '["seat"]'), ("[7, 8]", "7")]
)
def test_what_a_browser_has_tampered_with_is_no_purchase(kept: str, tampered: str) -> None:
    text = PURCHASE.to_json()
    assert kept in text
    assert Purchase.from_json(text.replace(kept, tampered)) is None


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "tier_missing"),
        ({"tier": "VIP", "quantity": "1", "user_id": "  "}, "user_missing"),
        ({"tier": "VIP", "quantity": "1", "user_id": "u" * 129}, "user_too_long"),
        ({"tier": "VIP", "quantity": "0", "user_id": "u"}, "quantity_missing"),
        ({"tier": "VIP", "quantity": "-3", "user_id": "u"}, "quantity_missing"),
        ({"tier": "VIP", "quantity": "two", "user_id": "u"}, "quantity_missing"),
        ({"tier": "VIP", "quantity": [1], "user_id": "u"}, "quantity_missing"),
    ],
)
def test_a_form_that_cannot_be_sent_says_why(form: dict[str, Any], code: str) -> None:
    assert read_form(form) == code


def test_a_form_makes_a_purchase() -> None:
    form = {"event": "concert", "tier": "Front Row", "quantity": "3", "user_id": " user-1 ", "ticket_ids": ""}
    purchase = read_form(form)
    assert isinstance(purchase, Purchase)
    assert purchase == Purchase("concert", "Front Row", 3, "user-1", (), purchase.reference)


def test_picked_seats_are_as_many_as_are_booked() -> None:
    purchase = read_form({"event": "concert", "tier": "VIP", "quantity": "1", "user_id": "u", "ticket_ids": "8,9"})
    assert isinstance(purchase, Purchase)
    assert (purchase.quantity, purchase.ticket_ids) == (2, (8, 9))


def test_the_same_wish_is_the_same_whatever_its_key() -> None:
    again = Purchase("concert", "VIP", 2, "user-1", (7, 8), in_doubt=True)
    assert PURCHASE.same_as(again)
    assert not PURCHASE.same_as(replace(again, ticket_ids=(7, 9)))
    assert not PURCHASE.same_as(replace(again, event="other"))
