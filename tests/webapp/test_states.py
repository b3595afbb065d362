"""The pages' State handlers, called as Reflex calls them, with a stand-in for the API."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import reflex as rx
from reflex.istate.data import SessionData

from tests.webapp.doubles import ORDER, FakeApi, problem
from webapp.client import Answer, Wish
from webapp.components import cancelling
from webapp.components import checkout as attempt
from webapp.components.checkout import Booking
from webapp.components.cancelling import Cancelling
from webapp.components.user_id import Visitor
from webapp.models import Ticket
from webapp.purchase import Purchase

KEY = "bk_" + "k" * 26
CLICK = f"{KEY}.1"
FORM = {"event": "concert", "tier": "VIP", "quantity": "2", "user_id": "user-1"}
DECLINED = problem("declined")
Api = TypeVar("Api", bound=FakeApi)
IN_DOUBT = Purchase("concert", "VIP", 2, "user-1", in_doubt=True)
EXPIRED = replace(ORDER, status="expired")
CANCELLED = Answer(replace(ORDER, status="cancelled"))


class SlowApi(FakeApi):
    """Answers once `answered` is set."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(**answers)
        self.answered = asyncio.Event()

    async def book(self, wish: Wish) -> Answer[Any]:
        await self.answered.wait()
        return await super().book(wish)

    async def cancel(self, reference: str, user_id: str) -> Answer[Any]:
        await self.answered.wait()
        return await super().cancel(reference, user_id)


@pytest.fixture
def root() -> rx.State:
    return rx.State()


@pytest.fixture
async def page(root: rx.State) -> Booking:
    return await root.get_state(Booking)


@pytest.fixture
async def canceller(root: rx.State) -> Cancelling:
    return await root.get_state(Cancelling)


def _use(monkeypatch: pytest.MonkeyPatch, api: Api) -> Api:
    for module in (attempt, cancelling):
        monkeypatch.setattr(module, "api", lambda: api)
    return api


async def _run(handler: Any, *arguments: Any) -> list[Any]:
    """Run an event handler to its end; returns the events that it sends to the browser."""
    events: AsyncGenerator[Any, None] = handler.fn(*arguments)
    return [sent async for sent in events if sent is not None]


def _target(events: list[Any]) -> str:
    """Return where a redirect leads."""
    (redirect,) = events
    return str({str(name): str(value) for name, value in redirect.args}["path"]).strip('"')


async def test_a_booking_whose_way_to_its_page_was_lost_is_led_there_again(page: Booking) -> None:
    page.phase, page.reference = "done", "bk_1"
    assert _target(await _run(Booking.arrive, page)) == "/booking/bk_1"
    assert page.phase == "done", "a second click would book once more"


async def test_a_booking_leads_to_its_own_page_and_remembers_the_user(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(book=[Answer(ORDER)]))
    events = await _run(Booking.book, page, FORM)
    assert _target(events) == "/booking/bk_1"
    assert api.wanted == ("concert", "VIP", 2, "user-1", ())
    assert (await page.get_state(Visitor)).user_id == "user-1"
    assert (page.phase, page.unsettled) == ("done", "")


async def test_a_second_click_while_sending_does_nothing(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, SlowApi(book=[Answer(ORDER)]))
    first = asyncio.create_task(_run(Booking.book, page, FORM))
    await asyncio.sleep(0)
    assert await _run(Booking.book, page, FORM) == []
    api.answered.set()
    assert _target(await first) == "/booking/bk_1"
    assert await _run(Booking.book, page, FORM) == []
    assert len(api.asked) == 1


async def test_another_try_after_a_declined_payment_has_a_new_key(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(book=[DECLINED, Answer(ORDER)]))
    await _run(Booking.book, page, FORM)
    assert (page.phase, page.unsettled) == ("declined", "")
    await _run(Booking.book, page, FORM)
    assert len({reference for _, reference in api.asked}) == 2


@pytest.mark.parametrize("kind", ["busy", "unreachable"])
async def test_another_try_after_an_open_outcome_has_the_same_key(
    kind: Any, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "carry_out", _once)
    api = _use(monkeypatch, FakeApi(book=[problem(kind), Answer(ORDER)]))
    await _run(Booking.book, page, FORM)
    assert page.phase == kind
    assert page.unsettled
    assert _target(await _run(Booking.book, page, FORM)) == "/booking/bk_1"
    assert len({reference for _, reference in api.asked}) == 1


async def test_another_wish_is_sent_only_after_the_open_one_is_settled(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "carry_out", _once)
    api = _use(monkeypatch, FakeApi(book=[problem("unreachable")], find=[Answer(ORDER)]))
    await _run(Booking.book, page, FORM)
    events = await _run(Booking.book, page, {**FORM, "tier": "GA"})
    assert _target(events) == "/booking/bk_1"
    assert [question for question, _ in api.asked] == ["book", "find"]


async def test_another_wish_has_the_open_ones_key_when_that_never_arrived(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "carry_out", _once)
    api = _use(monkeypatch, FakeApi(book=[problem("unreachable"), Answer(ORDER)], find=[problem("not_found")]))
    await _run(Booking.book, page, FORM)
    await _run(Booking.book, page, {**FORM, "tier": "GA"})
    assert api.wanted[1] == "GA"
    # It may still be on its way: under one key only one of them is booked.
    assert len({reference for _, reference in api.asked}) == 1


async def test_fewer_left_books_those_with_one_click(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, FakeApi(book=[problem("sold_out", available=1), Answer(ORDER)]))
    await _run(Booking.book, page, FORM)
    assert (page.phase, page.left, page.tier, page.quantity) == ("fewer_left", 1, "VIP", 2)
    await _run(Booking.book_left, page, CLICK)
    assert api.wanted == ("concert", "VIP", 1, "user-1", ())
    assert len({reference for _, reference in api.asked}) == 1


async def test_fewer_left_is_no_way_to_book_without_having_asked(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi())
    assert await _run(Booking.book_left, page, CLICK) == []
    assert api.asked == []


@pytest.mark.parametrize(
    ("answer", "phase", "wait_s"),
    [
        (problem("sold_out"), "sold_out", 0),
        (problem("all_held", retry_after_s=75), "all_held", 75),
        (problem("rate_limited", retry_after_s=42), "rate_limited", 42),
        (problem("not_on_sale"), "not_on_sale", 0),
        (problem("refused"), "refused", 0),
        (problem("invalid"), "invalid", 0),
    ],
)
async def test_each_refusal_has_its_own_phase(
    answer: Answer[Any], phase: str, wait_s: int, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(book=[answer]))
    await _run(Booking.book, page, FORM)
    assert (page.phase, page.wait_s) == (phase, wait_s)
    # What refused it keeps no key: the tab's next wish may have the same, and nothing of it is in doubt.
    kept = Purchase.from_json(page.unsettled)
    assert kept is not None
    assert not kept.in_doubt
    assert (page.event, page.tier, page.quantity) == ("concert", "VIP", 2)


@pytest.mark.parametrize("way", ["reload", "link"])
async def test_what_the_buyer_was_told_outlives_a_connection_but_no_other_way_to_the_page(
    way: str, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(book=[problem("rate_limited", retry_after_s=42)]))
    page.page_load = "first"
    await _run(Booking.arrive, page)
    await _run(Booking.book, page, FORM)
    page._wait_until -= 10
    page.rx_router_session = SessionData(session_id="second")
    await _run(Booking.arrive, page)
    assert (page.phase, page.wait_s) == ("rate_limited", 32)
    if way == "reload":
        page.rx_router_session = SessionData(session_id="third")
        page.page_load = "second"
    await _run(Booking.arrive, page)
    assert (page.phase, page.wait_s) == ("idle", 0)


async def test_a_form_that_cannot_be_sent_is_told_by_a_code(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, FakeApi())
    await _run(Booking.book, page, {**FORM, "user_id": ""})
    assert (page.phase, page.detail, api.asked) == ("invalid", "user_missing", [])


async def test_picked_seats_that_others_have_are_named_to_the_page(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(book=[problem("seat_taken", ticket_ids=(7,))]))
    await _run(Booking.book, page, {**FORM, "ticket_ids": "7,8"})
    assert api.wanted == ("concert", "VIP", 2, "user-1", (7, 8))
    assert (page.phase, page.seats_gone) == ("seat_taken", [7])


async def test_an_expired_booking_is_tried_again_for_the_same_seats_under_a_new_key(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[Answer(EXPIRED)], book=[Answer(ORDER)]))
    assert _target(await _run(Booking.again, page, "bk_1", CLICK)) == "/booking/bk_1"
    assert api.wanted == ("concert", "VIP", 2, "user-1", (1, 2))
    assert api.asked == [("find", "bk_1"), ("book", KEY)]


async def test_the_same_tickets_to_stand_are_tried_for_again_and_then_as_many_others(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = replace(EXPIRED, tier="GA", tickets=(Ticket(8, seated=False), Ticket(9, seated=False)))
    api = _use(monkeypatch, FakeApi(find=[Answer(standing)], book=[DECLINED]))
    await _run(Booking.again, page, "bk_1", CLICK)
    # With any others a late payment for these would be a second one.
    assert api.wanted == ("concert", "GA", 2, "user-1", (8, 9))
    assert page.phase == "declined"
    taken = problem("seat_taken", ticket_ids=(9,))
    api = _use(monkeypatch, FakeApi(find=[Answer(standing)], book=[taken, Answer(ORDER)]))
    assert _target(await _run(Booking.again, page, "bk_1", CLICK)) == "/booking/bk_1"
    assert api.wanted == ("concert", "GA", 2, "user-1", ())
    assert api.asked == [("find", "bk_1"), ("book", KEY), ("book", KEY)]


async def test_seats_that_others_have_are_not_replaced_unasked(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, FakeApi(find=[Answer(EXPIRED)], book=[problem("seat_taken", ticket_ids=(1,))]))
    await _run(Booking.again, page, "bk_1", CLICK)
    assert page.phase == "seat_taken"


async def test_a_booking_that_stands_after_all_is_not_booked_again(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[Answer(ORDER)]))
    turn = page.turn
    assert await _run(Booking.again, page, "bk_1", CLICK) == []
    assert (page.phase, api.asked) == ("idle", [("find", "bk_1")])
    assert page.turn > turn


async def test_trying_again_shows_at_once_and_explains_itself_while_the_booking_is_looked_up(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = asyncio.Event()

    class SlowToFind(FakeApi):
        async def find(self, reference: str) -> Answer[Any]:
            await answered.wait()
            return await super().find(reference)

    monkeypatch.setattr(attempt, "_PATIENCE", (("explain", 0),))
    _use(monkeypatch, SlowToFind(find=[Answer(EXPIRED)], book=[Answer(ORDER)]))
    first = asyncio.create_task(_run(Booking.again, page, "bk_1", CLICK))
    await asyncio.sleep(0.05)
    assert (page.phase, page.heard, page.patience) == ("sending", CLICK, "explain")
    assert await _run(Booking.again, page, "bk_1", f"{KEY}.2") == []
    answered.set()
    assert _target(await first) == "/booking/bk_1"


@pytest.mark.parametrize(
    ("answer", "phase", "wait_s"),
    [
        (problem("unreachable"), "away", 0),
        (problem("busy", retry_after_s=3), "busy", 3),
        (problem("rate_limited", retry_after_s=42), "rate_limited", 42),
        (problem("not_found"), "refused", 0),
    ],
)
async def test_trying_again_leaves_nothing_open_where_nothing_was_sent(
    answer: Answer[Any], phase: str, wait_s: int, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[answer]))
    await _run(Booking.again, page, "bk_1", CLICK)
    assert (page.phase, page.wait_s, page.unsettled) == (phase, wait_s, "")
    assert api.asked == [("find", "bk_1")]


async def test_a_tab_that_comes_back_asks_what_became_of_its_purchase(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[Answer(ORDER)]))
    page.unsettled = IN_DOUBT.to_json()
    assert _target(await _run(Booking.arrive, page)) == "/booking/bk_1"
    assert api.asked == [("find", IN_DOUBT.reference)]


async def test_what_a_lost_connection_kept_from_the_tab_is_not_booked_twice(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "carry_out", _once)
    api = _use(monkeypatch, SlowApi(book=[problem("unreachable"), Answer(ORDER)], find=[problem("not_found")]))
    booking = asyncio.create_task(_run(Booking.book, page, FORM))
    await asyncio.sleep(0)
    # The connection comes back with what the tab kept before the click: nothing.
    page.unsettled = ""
    arriving = asyncio.create_task(_run(Booking.arrive, page))
    await asyncio.sleep(0)
    assert Purchase.from_json(page.unsettled) is not None
    api.answered.set()
    await booking
    arriving.cancel()
    assert page.phase == "unreachable"
    page.unsettled = ""
    assert _target(await _run(Booking.book, page, FORM)) == "/booking/bk_1"
    assert len({reference for question, reference in api.asked if question == "book"}) == 1


async def test_a_click_is_booked_under_the_key_that_its_tab_knows(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(book=[Answer(ORDER)]))
    await _run(Booking.book, page, {**FORM, "click": CLICK})
    assert api.asked == [("book", KEY)]


async def test_a_click_whose_end_was_never_heard_is_asked_about_by_a_state_that_knows_nothing_of_it(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[Answer(ORDER)]))
    page.clicked = CLICK
    assert _target(await _run(Booking.arrive, page)) == "/booking/bk_1"
    assert (api.asked, page.clicked) == ([("find", KEY)], "")


async def test_after_a_click_that_never_came_whatever_is_wanted_next_has_its_key(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_SENDING_S_MAX", 0)
    api = _use(monkeypatch, FakeApi(find=[problem("not_found")], book=[Answer(ORDER)]))
    page.clicked = CLICK
    assert await _run(Booking.arrive, page) == []
    assert page.phase == "not_found"
    await _run(Booking.book, page, FORM)
    assert api.asked == [("find", KEY), ("book", KEY)]


async def test_a_click_that_another_state_is_still_sending_is_found_once_it_has_come(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_ASK_EVERY_S", 0)
    api = _use(monkeypatch, FakeApi(find=[problem("not_found"), problem("not_found"), Answer(ORDER)]))
    page.clicked = CLICK
    assert _target(await _run(Booking.arrive, page)) == "/booking/bk_1"
    assert api.asked == [("find", KEY)] * 3


async def test_a_tab_with_an_open_purchase_has_no_other_key(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, FakeApi(find=[Answer(ORDER)]))
    page.unsettled, page.clicked = IN_DOUBT.to_json(), CLICK
    assert _target(await _run(Booking.arrive, page)) == "/booking/bk_1"
    assert (api.asked, page.clicked) == ([("find", IN_DOUBT.reference)], "")


async def test_what_the_api_refused_is_still_told_when_the_tab_comes_back_with_what_it_kept_before(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(book=[problem("sold_out", available=1)]))
    page.page_load = "first"
    await _run(Booking.arrive, page)
    await _run(Booking.book, page, {**FORM, "click": CLICK})
    # The connection was lost with the answer: the tab still takes its purchase for one in doubt.
    kept = Purchase.from_json(page.unsettled)
    assert kept is not None
    page.unsettled, page.clicked = replace(kept, in_doubt=True).to_json(), CLICK
    page.rx_router_session = SessionData(session_id="second")
    await _run(Booking.arrive, page)
    assert (page.phase, page.left) == ("fewer_left", 1)
    assert [question for question, _ in api.asked] == ["book"]


async def test_another_click_with_the_same_key_that_is_lost_is_told_from_the_one_before(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(book=[problem("sold_out")], find=[problem("not_found")]))
    monkeypatch.setattr(attempt, "_SENDING_S_MAX", 0)
    page.page_load = "first"
    await _run(Booking.arrive, page)
    await _run(Booking.book, page, {**FORM, "click": CLICK})
    page.clicked = f"{KEY}.2"
    page.rx_router_session = SessionData(session_id="second")
    await _run(Booking.arrive, page)
    assert (page.phase, page.heard) == ("not_found", f"{KEY}.2")
    assert api.asked == [("book", KEY), ("find", KEY)]


@pytest.mark.parametrize(("status", "phase"), [("expired", "done"), ("declined", "declined")])
async def test_another_wish_is_not_sent_before_the_buyer_knows_what_became_of_the_open_one(
    status: Any, phase: str, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[Answer(replace(ORDER, status=status))]))
    page.unsettled = IN_DOUBT.to_json()
    await _run(Booking.book, page, {**FORM, "tier": "GA"})
    assert (page.phase, page.unsettled) == (phase, "")
    assert api.asked == [("find", IN_DOUBT.reference)]


async def test_a_click_whose_end_is_known_is_not_asked_about(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, FakeApi(book=[DECLINED]))
    await _run(Booking.book, page, {**FORM, "click": CLICK})
    # The browser has not heard of it yet.
    page.clicked = CLICK
    await _run(Booking.arrive, page)
    assert api.asked == [("book", KEY)]


@pytest.mark.parametrize("clicked", ["", "../../x", "bk_", "bk_.1"])
async def test_what_was_never_a_key_is_not_asked_about(
    clicked: str, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi())
    page.clicked = clicked
    await _run(Booking.arrive, page)
    assert api.asked == []


@pytest.mark.parametrize("status", ["expired", "cancelled"])
async def test_a_lost_purchase_that_came_to_nothing_is_told_by_its_own_page(
    status: Any, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(find=[Answer(replace(ORDER, status=status))]))
    page.unsettled = IN_DOUBT.to_json()
    assert _target(await _run(Booking.arrive, page)) == "/booking/bk_1"


async def test_another_wish_asks_again_about_a_purchase_that_was_not_there_just_now(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[problem("not_found"), Answer(ORDER)]))
    page.unsettled = IN_DOUBT.to_json()
    await _run(Booking.check, page)
    assert page.phase == "not_found"
    assert _target(await _run(Booking.book, page, {**FORM, "tier": "GA"})) == "/booking/bk_1"
    assert [question for question, _ in api.asked] == ["find", "find"]


async def test_a_stored_purchase_that_was_tampered_with_is_ignored(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi())
    page.unsettled = '{"reference": "../../x"}'
    assert await _run(Booking.arrive, page) == []
    assert (page.phase, api.asked) == ("idle", [])


async def test_checking_says_when_nothing_was_booked(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, FakeApi(find=[problem("not_found")]))
    page.unsettled = IN_DOUBT.to_json()
    await _run(Booking.check, page)
    assert page.phase == "not_found"


async def test_checking_while_the_api_is_busy_does_not_say_that_nothing_was_booked(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(find=[problem("busy")]))
    page.unsettled = IN_DOUBT.to_json()
    await _run(Booking.check, page)
    assert page.phase == "unreachable"
    assert Purchase.from_json(page.unsettled) == IN_DOUBT


async def test_what_could_not_be_learnt_is_asked_about_again_until_it_is_known(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_ASK_EVERY_S", 0)
    monkeypatch.setattr(attempt, "carry_out", _once)
    api = _use(
        monkeypatch,
        FakeApi(book=[problem("unreachable")], find=[problem("unreachable"), problem("busy"), Answer(ORDER)]),
    )
    monkeypatch.setattr(Booking, "_path", lambda _: "/event/concert")
    await _run(Booking.book, page, FORM)
    turn = page.turn
    assert _target(await _run(Booking.ask_on, page, turn)) == "/booking/bk_1"
    assert [question for question, _ in api.asked] == ["book", "find", "find", "find"]
    # Only the end is news: what the page says meanwhile stays as it is.
    assert page.turn == turn + 1


async def test_trying_again_elsewhere_does_not_hide_that_an_earlier_purchase_is_open(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(find=[problem("unreachable"), problem("busy")]))
    page.unsettled = IN_DOUBT.to_json()
    await _run(Booking.check, page)
    turn = page.turn
    await _run(Booking.again, page, "bk_2", CLICK)
    # "Nothing was booked" would be too much said, and it is asked on.
    assert page.phase == "unreachable"
    assert Purchase.from_json(page.unsettled) == IN_DOUBT
    assert page.turn > turn


async def test_a_tab_that_comes_back_without_knowing_is_asked_for_on_and_on(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[problem("unreachable")] * 2))
    monkeypatch.setattr(attempt, "_ASK_EVERY_S", 0)
    monkeypatch.setattr(attempt, "_ASK_TIMES_MAX", 0)
    page.page_load, page.unsettled = "first", IN_DOUBT.to_json()
    await _run(Booking.arrive, page)
    assert page.phase == "unreachable"
    turn = page.turn
    page.rx_router_session = SessionData(session_id="second")
    # The process that asked may be gone with its connection.
    (event,) = await _run(Booking.arrive, page)
    assert str(event.args[0][1]) == str(turn + 1) == str(page.turn)
    assert len(api.asked) == 2


async def test_nothing_is_asked_on_once_the_buyer_knows(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "_ASK_EVERY_S", 0)
    api = _use(monkeypatch, FakeApi(find=[problem("unreachable"), problem("not_found")]))
    page.unsettled = IN_DOUBT.to_json()
    monkeypatch.setattr(Booking, "_path", lambda _: "/event/concert")
    await _run(Booking.check, page)
    turn = page.turn
    await _run(Booking.check, page)
    assert page.phase == "not_found"
    await _run(Booking.ask_on, page, turn)
    assert len(api.asked) == 2


async def test_a_purchase_that_was_cut_short_is_found_out_about(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, FakeApi(find=[problem("not_found"), Answer(ORDER)]))
    page.phase, page.unsettled = "sending", IN_DOUBT.to_json()
    page._sending_until = time.time() + 1
    # Nothing was booked so far, and another process may still be sending it.
    arriving = asyncio.create_task(_run(Booking.arrive, page))
    await asyncio.sleep(0.1)
    assert (page.phase, page.detail, page.patience) == ("sending", "no_answer", "check")
    # It was booked by a process that has ended since.
    assert _target(await arriving) == "/booking/bk_1"


async def test_a_purchase_whose_process_ended_before_the_api_heard_frees_the_page(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(find=[problem("not_found"), problem("not_found")]))
    page.phase, page.unsettled = "sending", IN_DOUBT.to_json()
    page._sending_until = time.time() + 0.2
    assert await _run(Booking.arrive, page) == []
    assert page.phase == "not_found"


async def test_a_purchase_that_takes_too_long_frees_the_page(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, FakeApi(find=[problem("not_found")]))
    page.phase, page.unsettled = "sending", IN_DOUBT.to_json()
    page._sending_until = time.time() - 1
    assert await _run(Booking.arrive, page) == []
    assert page.phase == "not_found"


async def test_an_unexpected_failure_does_not_leave_the_page_sending(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi())  # without an answer to give, which raises
    await _run(Booking.book, page, FORM)
    assert page.phase == "unreachable"
    assert page.unsettled


async def test_cancelling_names_the_buyer(canceller: Cancelling, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, FakeApi(cancel=[CANCELLED]))
    turn = canceller.turn
    await _cancel(canceller, "bk_1")
    assert (api.asked, api.canceller) == ([("cancel", "bk_1")], "user-1")
    assert (canceller.phase, canceller.reference) == ("done", "bk_1")
    assert canceller.turn > turn


@pytest.mark.parametrize("kind", ["not_cancellable", "busy", "rate_limited", "unreachable", "refused"])
async def test_a_refusal_to_cancel_is_told_until_another_page(
    kind: Any, canceller: Cancelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(cancel=[problem(kind)]))
    _arrive(canceller)
    await _cancel(canceller, "bk_1")
    assert canceller.phase == kind
    canceller.rx_router_session = SessionData(session_id="second")
    _arrive(canceller)
    assert canceller.phase == kind, "only the connection is another"
    _arrive(canceller)
    assert canceller.phase == "idle"


async def test_while_a_booking_is_being_cancelled_another_click_does_nothing_and_another_page_forgets_nothing(
    canceller: Cancelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, SlowApi(cancel=[CANCELLED]))
    first = asyncio.create_task(_cancel(canceller, "bk_1"))
    await asyncio.sleep(0)
    await _cancel(canceller, "bk_1")
    _arrive(canceller)
    assert (canceller.phase, canceller.reference) == ("sending", "bk_1")
    api.answered.set()
    await first
    assert (canceller.phase, len(api.asked)) == ("done", 1)


async def test_a_cancelling_that_was_cut_short_makes_room_for_another(
    canceller: Cancelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, SlowApi(cancel=[problem("unreachable")]))
    cut_short = asyncio.create_task(_cancel(canceller, "bk_1"))
    await asyncio.sleep(0)
    canceller._sending_until = time.time() - 1
    _use(monkeypatch, FakeApi(cancel=[CANCELLED]))
    await _cancel(canceller, "bk_2")
    assert (canceller.phase, canceller.reference) == ("done", "bk_2")
    # What comes of the first after all is not said of the second.
    api.answered.set()
    await cut_short
    assert (canceller.phase, canceller.reference) == ("done", "bk_2")


async def _cancel(canceller: Cancelling, reference: str) -> None:
    await Cancelling.cancel.fn(canceller, reference, "user-1")  # type: ignore[attr-defined]


def _arrive(canceller: Cancelling) -> None:
    Cancelling.arrive.fn(canceller)  # type: ignore[attr-defined]


async def _once(purchase: Purchase, api: FakeApi, _tell: Any) -> Answer[Any]:
    """Stand in for `carry_out` without its repeats."""
    return await api.book(purchase)
