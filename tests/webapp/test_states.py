"""The pages' State handlers, called as Reflex calls them, with a stand-in for the API."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
import reflex as rx
from reflex.istate.data import ReflexURL, RouterData

from tests.webapp.doubles import ORDER, FakeApi, problem
from webapp.client import Answer, OrderPage
from webapp.components.visitor import Visitor
from webapp.pages import booking, bookings, event
from webapp.pages.booking import Confirmation
from webapp.pages.bookings import MyBookings
from webapp.pages.event import Booking
from webapp.purchase import Purchase

FORM = {"tier": "VIP", "quantity": "2", "user_id": "user-1"}
DECLINED = problem("declined")
IN_DOUBT = replace(Purchase.new("VIP", 2, "user-1"), in_doubt=True)


@pytest.fixture
def root() -> rx.State:
    return rx.State()


@pytest.fixture
async def page(root: rx.State) -> Booking:
    return await root.get_state(Booking)


def _use(monkeypatch: pytest.MonkeyPatch, api: FakeApi) -> FakeApi:
    for module in (event, booking, bookings):
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


async def test_a_booking_leads_to_its_own_page_and_remembers_the_user(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(book=[Answer(ORDER)]))
    events = await _run(Booking.book, page, FORM)
    assert _target(events) == "/booking/bk_1"
    assert api.wanted == ("VIP", 2, "user-1")
    assert (await page.get_state(Visitor)).user_id == "user-1"
    assert (page.phase, page.unsettled) == ("done", "")


async def test_a_second_click_while_sending_does_nothing(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = asyncio.Event()

    class SlowApi(FakeApi):
        async def book(self, **wanted: Any) -> Answer[Any]:
            await answered.wait()
            return await super().book(**wanted)

    api = _use(monkeypatch, SlowApi(book=[Answer(ORDER)]))
    first = asyncio.create_task(_run(Booking.book, page, FORM))
    await asyncio.sleep(0)
    assert await _run(Booking.book, page, FORM) == []
    answered.set()
    assert _target(await first) == "/booking/bk_1"
    assert await _run(Booking.book, page, FORM) == []
    assert len(api.asked) == 1


async def test_another_try_after_a_declined_payment_has_a_new_key(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(book=[DECLINED, Answer(ORDER)]))
    await _run(Booking.book, page, FORM)
    assert (page.phase, page.title, page.unsettled) == ("declined", "Payment declined", "")
    await _run(Booking.book, page, FORM)
    assert len({reference for _, reference in api.asked}) == 2


@pytest.mark.parametrize("kind", ["busy", "unreachable"])
async def test_another_try_after_an_open_outcome_has_the_same_key(
    kind: Any, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event, "carry_out", _once)
    api = _use(monkeypatch, FakeApi(book=[problem(kind), Answer(ORDER)]))
    await _run(Booking.book, page, FORM)
    assert page.phase == kind
    assert page.unsettled
    assert _target(await _run(Booking.book, page, FORM)) == "/booking/bk_1"
    assert len({reference for _, reference in api.asked}) == 1


async def test_another_wish_is_sent_only_after_the_open_one_is_settled(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event, "carry_out", _once)
    api = _use(monkeypatch, FakeApi(book=[problem("unreachable")], find=[Answer(ORDER)]))
    await _run(Booking.book, page, FORM)
    events = await _run(Booking.book, page, {**FORM, "tier": "GA"})
    assert _target(events) == "/booking/bk_1"
    assert [question for question, _ in api.asked] == ["book", "find"]


async def test_another_wish_is_sent_when_the_open_one_never_arrived(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event, "carry_out", _once)
    api = _use(monkeypatch, FakeApi(book=[problem("unreachable"), Answer(ORDER)], find=[problem("not_found")]))
    await _run(Booking.book, page, FORM)
    await _run(Booking.book, page, {**FORM, "tier": "GA"})
    assert api.wanted[0] == "GA"
    assert len({reference for question, reference in api.asked if question == "book"}) == 2


async def test_fewer_left_books_those_with_one_click(page: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, FakeApi(book=[problem("sold_out", available=1), Answer(ORDER)]))
    await _run(Booking.book, page, FORM)
    assert (page.phase, page.left, page.title) == ("fewer_left", 1, "Only 1 left")
    await _run(Booking.book_left, page)
    assert api.wanted == ("VIP", 1, "user-1")
    assert len({reference for _, reference in api.asked}) == 2


async def test_fewer_left_is_no_way_to_book_without_having_asked(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi())
    assert await _run(Booking.book_left, page) == []
    assert api.asked == []


@pytest.mark.parametrize(
    ("answer", "phase", "title", "wait_s"),
    [
        (problem("sold_out"), "sold_out", "VIP is sold out", 0),
        (problem("all_held", retry_after_s=75), "all_held", "All in other people\u2019s bookings", 75),
        (problem("rate_limited", retry_after_s=42), "rate_limited", "Too many bookings in a short time", 42),
        (problem("refused"), "refused", "This cannot be booked", 0),
        (problem("invalid"), "invalid", "This cannot be booked", 0),
    ],
)
async def test_each_refusal_has_its_own_words(
    answer: Answer[Any], phase: str, title: str, wait_s: int, page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(book=[answer]))
    await _run(Booking.book, page, FORM)
    assert (page.phase, page.title, page.wait_s, page.unsettled) == (phase, title, wait_s, "")


async def test_a_tab_that_comes_back_asks_what_became_of_its_purchase(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[Answer(ORDER)]))
    page.unsettled = IN_DOUBT.to_json()
    assert _target(await _run(Booking.arrive, page)) == "/booking/bk_1"
    assert api.asked == [("find", IN_DOUBT.reference)]


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
    assert (page.phase, page.title) == ("not_found", "Not booked")


async def test_checking_while_the_api_is_busy_does_not_say_that_nothing_was_booked(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi(find=[problem("busy")]))
    page.unsettled = IN_DOUBT.to_json()
    await _run(Booking.check, page)
    assert page.phase == "unreachable"
    assert Purchase.from_json(page.unsettled) == IN_DOUBT


async def test_a_purchase_that_was_cut_short_frees_the_page_in_time(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[Answer(ORDER)]))
    page.phase, page.unsettled = "sending", IN_DOUBT.to_json()
    page._sending_until = time.monotonic() + 60
    assert await _run(Booking.arrive, page) == []
    page._sending_until = time.monotonic() - 1
    assert _target(await _run(Booking.arrive, page)) == "/booking/bk_1"
    assert len(api.asked) == 1


async def test_an_unexpected_failure_does_not_leave_the_page_sending(
    page: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FakeApi())  # without an answer to give, which raises
    await _run(Booking.book, page, FORM)
    assert page.phase == "unreachable"
    assert page.unsettled


@pytest.mark.parametrize(
    ("answer", "phase"),
    [(Answer(ORDER), "found"), (problem("not_found"), "not_found"), (problem("unreachable"), "unreachable")],
)
async def test_the_booking_page_reads_the_reference_of_its_address(
    answer: Answer[Any], phase: str, root: rx.State, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = _use(monkeypatch, FakeApi(find=[answer]))
    root.router = RouterData(url=ReflexURL("http://localhost:3000/booking/bk_1/"))
    page = await root.get_state(Confirmation)
    await _run(Confirmation.load, page)
    assert page.phase == phase
    assert page.order.reference == ("bk_1" if phase == "found" else "")
    assert api.asked == [("find", "bk_1")]


async def test_my_bookings_list_page_by_page(root: rx.State, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, FakeApi(orders=[Answer(OrderPage([ORDER], "17")), Answer(OrderPage([ORDER], ""))]))
    page = await root.get_state(MyBookings)
    await _run(MyBookings.show, page, {"user_id": " user-1 "})
    assert (page.phase, len(page.orders), page.cursor) == ("listed", 1, "17")
    await MyBookings.more.fn(page)  # type: ignore[attr-defined]
    assert (len(page.orders), page.cursor) == (2, "")
    await MyBookings.more.fn(page)  # type: ignore[attr-defined]
    assert api.asked == [("user-1", ""), ("user-1", "17")]
    assert (await root.get_state(Visitor)).user_id == "user-1"


async def test_my_bookings_wait_for_a_user_id(root: rx.State, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _use(monkeypatch, FakeApi())
    page = await root.get_state(MyBookings)
    await _run(MyBookings.arrive, page)
    await _run(MyBookings.show, page, {"user_id": "u" * 129})
    assert (page.phase, api.asked) == ("idle", [])


async def test_my_bookings_say_when_the_api_is_away(root: rx.State, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, FakeApi(orders=[problem("unreachable")]))
    page = await root.get_state(MyBookings)
    await _run(MyBookings.show, page, {"user_id": "user-1"})
    assert page.phase == "unreachable"


async def _once(purchase: Purchase, api: FakeApi, _tell: Any) -> Answer[Any]:
    """Stand in for `carry_out` without its repeats."""
    return await api.book(
        tier=purchase.tier, quantity=purchase.quantity, user_id=purchase.user_id, reference=purchase.reference
    )
