"""An attempt to book: its State, and what is said about it. The event's page and a booking's page have it."""

import asyncio
import functools
import logging
import math
import operator
import time
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

import reflex as rx

from webapp.client import Answer, Problem, api
from webapp.components import browser
from webapp.components.arrival import Arrival
from webapp.components.language import say, span
from webapp.components.layout import Ui, link, notice_box, spinner
from webapp.components.user_id import Visitor
from webapp.models import Order
from webapp.purchase import TRIES, USER_ID_LENGTH_MAX, Purchase, carry_out, key_of, read_form, with_key

_log = logging.getLogger(__name__)

_MODULE = "$/utils/checkout_feed"

# What is said while sending takes longer, and after how many seconds more.
_PATIENCE = (("explain", 2), ("check", 8))
# Longer than a purchase can take: past this it was cut short, and the page is free again.
_SENDING_S_MAX = 90
# A booking that stands; every other status means that this purchase came to nothing.
_STANDING = {"confirmed", "pending"}
# What may still be under way is asked about this often; and so many times, if there is no answer.
_ASK_EVERY_S = 5
_ASK_TIMES_MAX = 120
# The API remembers a key with what it has sold and with what was declined; after any other answer it is kept.
_KEY_IS_SPENT = {"declined"}


class Booking(Arrival, rx.State):
    """One visitor's attempt to book. The truth is in the API; this is what the page says about it."""

    phase: str = "idle"
    """`idle`, `sending`, `done` (on the way to the booking's page), `invalid`, or how the last attempt ended."""
    detail: str = ""
    """While sending, what goes on: `busy`, `asking` or `no_answer`; after `unreachable`, that it is `checking`; of
    `invalid`, what is wrong with the form."""
    attempt: int = 0
    patience: str = ""
    """`explain` and then `check`, as sending takes longer."""
    event: str = ""
    tier: str = ""
    quantity: int = 0
    left: int = 0
    """After `sold_out` or `fewer_left`: how many tickets of the tier there still are."""
    reference: str = ""
    """After `done`: what was booked, in case that the way to its page is lost."""
    seats_gone: rx.Field[list[int]] = rx.field(default_factory=list)
    """After `seat_taken`: the tickets that others have."""
    wait_s: int = 0
    turn: int = 0
    """Changes whenever the page is to look at the phase anew."""
    heard: str = ""
    """The last click that was taken up here, or that was found to be lost: its key and number."""
    unsettled: str = rx.SessionStorage("", name="unsettled-booking")
    """The last purchase, until its key is spent. The tab keeps it, so that neither a reload nor a restart of this
    server makes the buyer pay twice."""
    clicked: str = rx.SessionStorage("", name="clicked-booking")
    """The click of which the tab has heard nothing, as attempt.js writes it. It may have been lost, or what became of
    it; and who comes back may be given a State that knows nothing of either."""
    _last: str = ""
    _unsettled: str = ""
    """The same as this server knows it: a connection that comes back may bring what the tab kept before."""
    _taken_over: str = ""
    """The click about which the API is being asked; "": none."""
    _sending_until: float = 0
    _wait_until: float = 0

    @rx.event(background=True)
    async def arrive(self) -> AsyncGenerator[Any, None]:
        """Start clean, or find out about the purchase that this tab was left with.

        A connection that was only away for a while changes nothing of what the buyer was told.
        """
        lead_on = None
        async with self:
            purchase = self._take_over_click() or self._open_purchase()
            if purchase is not None and purchase.to_json() != self._unsettled and self.phase != "sending":
                # Another State may be at it, for as long as that can take.
                self._sending_until = time.time() + _SENDING_S_MAX
            self._keep(purchase)
            reconnected = self._has_only_reconnected()
            if self.phase == "done" and self._path() != f"/booking/{self.reference}":
                # The way there was lost with the connection: nobody shall wonder, and book once more.
                lead_on = rx.redirect(f"/booking/{self.reference}")
            elif self._is_sending() and purchase is not None:
                # It is under way still; or its process has ended, and what became of it is to be found out.
                self.patience = "check"
            elif reconnected and self.phase not in {"sending", "done"}:
                self.wait_s = max(0, math.ceil(self._wait_until - time.time()))
            else:
                self._show("idle")
        if lead_on is not None:
            yield lead_on
        if purchase is not None and purchase.in_doubt:
            async for event in self._find_out(purchase):
                yield event
            ask_on = None
            async with self:
                if reconnected and self.phase == "unreachable" and self._is_open(purchase):
                    # Who asked before may have ended with its process, and else ends now.
                    self.turn += 1
                    ask_on = Booking.ask_on(self.turn)  # type: ignore[misc]
            if ask_on is not None:
                yield ask_on

    @rx.event(background=True)
    async def book(self, form: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """Book what the form says; a second click while the first is being sent does nothing."""
        async for event in self._book(read_form(form), str(form.get("click") or "")):
            yield event

    @rx.event(background=True)
    async def book_left(self, click: str) -> AsyncGenerator[Any, None]:
        """Book as many as are left, after fewer were left than asked for."""
        async with self:
            self.heard = click
            wanted = Purchase.from_json(self._last)
            if wanted is None or self.phase != "fewer_left":
                return
            fewer = Purchase(wanted.event, wanted.tier, self.left, wanted.user_id)
        async for event in self._book(with_key(fewer, click), click):
            yield event

    @rx.event(background=True)
    async def again(self, reference: str, click: str) -> AsyncGenerator[Any, None]:
        """Try for the tickets of a booking that came to nothing once more: the same seats, or as many to stand."""
        async with self:
            self.heard = click
            if self.phase == "done" or self._is_sending():
                return
            self._sending_until = time.time() + _SENDING_S_MAX
            self._show("sending")
        answer = await self._patiently(api().find(reference), _PATIENCE[:1])
        order = answer.value
        if order is None or order.status in _STANDING:
            async with self:
                event = self._cannot_repeat(answer)
            if event is not None:
                yield event
            return
        async with self:
            # What is sent now is the same click's, which the page goes on showing.
            self._sending_until = 0
        # The same tickets, to stand as well: while this buyer has them, a late payment cannot get them once more.
        tickets = tuple(ticket.id for ticket in order.tickets)
        same = with_key(Purchase(order.event, order.tier, len(tickets), order.user_id, tickets), click)
        async for event in self._book(same, click):
            yield event
        if any(ticket.seated for ticket in order.tickets):
            return
        async with self:
            taken = self.phase == "seat_taken"
        if taken:
            # To stand, any other will do.
            others = replace(same, ticket_ids=())
            async for event in self._book(others, click):
                yield event

    @rx.event(background=True)
    async def check(self) -> AsyncGenerator[Any, None]:
        """Ask the API what became of the purchase, while or after it is sent."""
        async with self:
            purchase = self._open_purchase()
            if self.phase == "unreachable":
                self.detail = "checking"
        if purchase is not None:
            async for event in self._look_up(purchase):
                yield event

    @rx.event(background=True)
    async def ask_on(self, turn: int) -> AsyncGenerator[Any, None]:
        """Ask again, for some minutes, what became of a purchase of which nothing could be learnt at that turn."""
        for _ in range(_ASK_TIMES_MAX):
            await asyncio.sleep(_ASK_EVERY_S)
            async with self:
                purchase = self._open_purchase()
                here = self._path().startswith(("/event/", "/booking/"))
                if purchase is None or (self.phase, self.turn) != ("unreachable", turn) or not here:
                    return
            async for event in self._look_up(purchase):
                yield event

    async def _book(self, wanted: Purchase | str, click: str) -> AsyncGenerator[Any, None]:
        async with self:
            self.heard = click
            if self.phase == "done" or self._is_sending():
                return
            if isinstance(wanted, str):
                self._show("invalid", wanted)
                return
            earlier = self._open_purchase()
            # Until its key is spent the tab has no other, whatever is wanted now: under one key nothing is booked
            # twice.
            purchase = wanted
            if earlier is not None:
                purchase = replace(wanted, reference=earlier.reference, in_doubt=earlier.in_doubt)
            self._last = purchase.to_json()
            self._sending_until = time.time() + _SENDING_S_MAX
            self._remember(purchase)
            self._show("sending")
            visitor = await self.get_state(Visitor)
            visitor.user_id = purchase.user_id
        async for event in self._send(purchase, earlier):
            yield event

    async def _send(self, purchase: Purchase, earlier: Purchase | None) -> AsyncGenerator[Any, None]:
        if earlier is not None and earlier.in_doubt and not earlier.same_as(purchase):
            # Something else was wanted before and may have been booked: that is settled first.
            found = await self._find(earlier)
            if found != Answer():
                async with self:
                    event = self._conclude(earlier, found)
                if event is not None:
                    yield event
                return
        async with self:
            # From here on it may be booked, whatever happens to this process or to the page.
            self._keep(replace(purchase, in_doubt=True))
            self._sending_until = time.time() + _SENDING_S_MAX
        answer = await self._patiently(carry_out(purchase, api(), self._tell), _PATIENCE)
        async with self:
            event = self._conclude(purchase, answer) if self._is_open(purchase) else None
        if event is not None:
            yield event

    async def _patiently(
        self, question: Coroutine[Any, Any, Answer[Order]], patience: Sequence[tuple[str, float]]
    ) -> Answer[Order]:
        """Wait for an answer, and say more the longer it takes."""
        asking = asyncio.create_task(question)
        try:
            for said, after_s in patience:
                await asyncio.wait({asking}, timeout=after_s)
                if asking.done():
                    break
                async with self:
                    self.patience = said
            return await asking
        except Exception:  # noqa: BLE001 - whatever it was, it is logged and the buyer told
            # The page must not say "sending" for ever, and the outcome is open.
            _log.exception("A question to the API was interrupted")
            return Answer(problem=Problem("unreachable"))
        finally:
            asking.cancel()

    async def _find_out(self, purchase: Purchase) -> AsyncGenerator[Any, None]:
        """Ask what became of a purchase, and again as long as it may be under way."""
        while True:
            async for event in self._look_up(purchase):
                yield event
            async with self:
                is_open = self._is_open(purchase) and self.phase in {"sending", "not_found"}
                remaining = self._sending_until - time.time() if is_open else 0
            if remaining <= 0:
                break
            await asyncio.sleep(min(remaining, _ASK_EVERY_S))
            async with self:
                if not self._is_open(purchase) or self.phase not in {"sending", "not_found"}:
                    break
        async with self:
            if self.phase == "not_found" and self._is_open(purchase):
                # By now it would have come: it need not be asked about with every visit.
                self._keep(replace(purchase, in_doubt=False))

    async def _look_up(self, purchase: Purchase) -> AsyncGenerator[Any, None]:
        answer = await self._find(purchase)
        event = None
        async with self:
            if not self._is_open(purchase):
                return
            if answer.value is None and self._is_sending():
                self.detail = "no_answer"
            elif answer.problem is not None and self.phase == "unreachable":
                self.detail = ""
            else:
                event = self._conclude(purchase, answer)
        if event is not None:
            yield event

    async def _find(self, purchase: Purchase) -> Answer[Order]:
        """Ask what became of a purchase; empty if nothing was booked, a problem if that cannot be learnt."""
        answer = await api().find(purchase.reference)
        match answer.problem:
            case None:
                return answer
            case Problem(kind="not_found"):
                return Answer()
            case problem:
                # Busy or whatever else: it leaves open what became of the booking.
                return Answer(problem=replace(problem, kind="unreachable"))

    async def _tell(self, what: str, attempt: int) -> None:
        async with self:
            self.detail, self.attempt = what, attempt

    def _is_open(self, purchase: Purchase) -> bool:
        open_purchase = self._open_purchase()
        return open_purchase is not None and open_purchase.reference == purchase.reference

    def _take_over_click(self) -> Purchase | None:
        """Return what became in doubt with the last click, if this State does not know how that ended."""
        clicked, purchase = self.clicked, self._open_purchase()
        if clicked:
            self.clicked = ""
        key = key_of(clicked)
        if not key or clicked == self.heard:
            return None
        self._taken_over = clicked
        # Where there is a purchase, whatever was clicked was sent under its key.
        return replace(purchase, in_doubt=True) if purchase is not None else Purchase.of_key(key)

    def _open_purchase(self) -> Purchase | None:
        return Purchase.from_json(self._unsettled or self.unsettled)

    def _keep(self, purchase: Purchase | None) -> None:
        """Remember the last purchase until its key is spent (None), here and in the tab."""
        self.unsettled = self._unsettled = purchase.to_json() if purchase else ""

    def _conclude(self, purchase: Purchase, answer: Answer[Order]) -> Any:
        """Show how the purchase ended; returns what follows: the way to its page, or asking on."""
        order, problem = answer.value, answer.problem
        if self._taken_over:
            self.heard, self._taken_over = self._taken_over, ""
        if order is not None and order.status != "declined":
            # Its page also says best what it is to be expired or cancelled.
            self._keep(None)
            self.reference = order.reference
            self._show("done")
            return rx.redirect(f"/booking/{order.reference}")
        if problem is None:
            problem = Problem("declined" if order else "not_found")
        # That it is not there may be told while it is still on its way: another wish asks again.
        in_doubt = problem.kind in {"unreachable", "not_found"}
        self._keep(None if problem.kind in _KEY_IS_SPENT else replace(purchase, in_doubt=in_doubt))
        fewer = problem.kind in {"sold_out", "all_held"} and problem.available > 0
        self._show("fewer_left" if fewer else problem.kind)
        self.left, self.wait_s = problem.available, 0 if fewer else problem.retry_after_s
        self._wait_until = time.time() + self.wait_s
        self.seats_gone = list(problem.ticket_ids)
        self._remember(purchase)
        return Booking.ask_on(self.turn) if problem.kind == "unreachable" else None  # type: ignore[misc]

    def _cannot_repeat(self, answer: Answer[Order]) -> Any:
        """Show why a booking's tickets are not tried for again; returns what follows.

        Nothing was sent, so that nothing is left open but what was so before.
        """
        earlier = self._open_purchase()
        if earlier is not None and earlier.in_doubt:
            return self._conclude(earlier, Answer(problem=Problem("unreachable")))
        match answer.problem:
            case None:
                # A late payment was faster: the page looks at it again.
                self._show("idle")
            case Problem(kind="busy" | "rate_limited" as kind, retry_after_s=wait_s):
                self._show(kind)
                self.wait_s = wait_s
                self._wait_until = time.time() + wait_s
            case Problem(kind="unreachable"):
                self._show("away")
            case _:
                self._show("refused")
        return None

    def _is_sending(self) -> bool:
        return self.phase == "sending" and time.time() < self._sending_until

    def _remember(self, purchase: Purchase) -> None:
        self.event, self.tier, self.quantity = purchase.event, purchase.tier, purchase.quantity

    def _show(self, phase: str, detail: str = "") -> None:
        self.phase, self.detail = phase, detail
        self.attempt, self.left, self.wait_s, self.patience, self.seats_gone = 0, 0, 0, "", []
        self.turn += 1


class AttemptFeed(browser.Part):
    """Tells the browser what the State says, on pages that have no `EventFeed`. Place it once on a page."""

    library = _MODULE
    tag = "AttemptFeed"

    phase: rx.Var[str]
    turn: rx.Var[int]
    """Changes whenever the phase is to be looked at anew."""
    heard: rx.Var[str]
    """The last click that the State knows of."""
    unsettled: rx.Var[str]
    """The last purchase, until its key is spent."""
    wait_s: rx.Var[int]
    """Seconds until another attempt makes sense; 0: now."""


@dataclass(frozen=True)
class Sending:
    """What became of the last click, as attempt.js knows it; `wait` in seconds."""

    sending: bool
    unheard: bool
    wait: int
    locked: bool
    click: str
    """The next click: the key that it books under, and a number; "": the page is not alive yet."""


sending: Any = browser.watched(_MODULE, "attempt", "useAttempt", Sending)


def sending_words() -> Ui:
    """Return what the button says while its click is dealt with."""
    return rx.fragment(spinner(), rx.cond(sending.unheard, say("book.unheard"), say("book.sending")))


def press() -> Any:
    """Return an event that shows at once that something was clicked, whether or not the server hears."""
    return browser.action(_MODULE, "press")


@dataclass(frozen=True)
class Place:
    """Where the notice stands: that page's own ways on."""

    locked: Any
    about: Any
    """Whether what is chosen now is what was tried for; else what is said of it is over."""
    leads: Any
    """Whether the notice has the button that books."""
    again: dict[str, Any]
    """Properties of a button that tries the same again."""
    before_fewer: list[Any]
    """Events before as many are booked as are left."""
    waits: Any
    """Whether it can be tried again after a while."""
    hindered: Any
    """Whether it cannot be tried again just now, for the box office cannot be reached."""
    total_left: Any
    """What as many as are left cost, in words."""
    other: Ui
    """A way to other tickets."""
    seat_taken: Any
    """What to do about seats that others have."""
    way_from_seat_taken: Ui


def phase_is(*phases: str) -> Any:
    """Say whether the attempt is in one of these phases."""
    return functools.reduce(operator.or_, (Booking.phase == phase for phase in phases))


def user_id_fault() -> Any:
    """Say what is wrong with the user id that was typed, which stands at its field; "": nothing."""
    return rx.match(
        Booking.detail,
        ("user_missing", say("attempt.invalid.user_missing")),
        ("user_too_long", say("attempt.invalid.user_too_long", most=USER_ID_LENGTH_MAX)),
        "",
    )


def notice(place: Place) -> Ui:
    """Everything that can be said about an attempt, below the button that started it."""
    return rx.el.div(
        rx.cond(
            sending.unheard,
            notice_box("unheard", say("attempt.unheard.title"), say("attempt.unheard.text")),
            rx.cond(
                (Booking.phase != "idle") & place.about,
                notice_box(
                    Booking.phase,
                    _title(),
                    _text(place),
                    _patience(),
                    rx.cond(
                        place.hindered,
                        rx.el.p(say("counts.unreachable")),
                        rx.cond(
                            place.waits & (sending.wait > 0),
                            rx.el.p(say("attempt.wait", time=span(sending.wait)), role="timer"),
                        ),
                    ),
                    _ways_on(place),
                ),
            ),
        ),
        class_name="notice-place",
        role="status",
        aria_live="polite",
    )


def _title() -> Any:
    return rx.match(
        Booking.phase,
        ("sending", say("attempt.sending.title")),
        ("done", say("attempt.done.title")),
        ("invalid", say("attempt.invalid.title")),
        ("declined", say("attempt.declined.title")),
        ("fewer_left", say("attempt.fewer_left.title", left=Booking.left)),
        ("sold_out", say("attempt.sold_out.title", tier=Booking.tier)),
        ("all_held", say("attempt.all_held.title")),
        ("seat_taken", say("attempt.seat_taken.title", seats=Booking.seats_gone.length())),
        ("not_on_sale", say("attempt.not_on_sale.title")),
        ("rate_limited", say("attempt.rate_limited.title")),
        ("busy", say("attempt.busy.title")),
        ("away", say("away.title")),
        ("unreachable", say("attempt.unreachable.title")),
        ("not_found", say("attempt.not_found.title")),
        say("attempt.refused.title"),
    )


def _text(place: Place) -> Any:
    return rx.match(
        Booking.phase,
        (
            "sending",
            rx.match(
                Booking.detail,
                ("busy", say("attempt.sending.busy", attempt=Booking.attempt, of=TRIES)),
                ("asking", say("attempt.sending.asking", attempt=Booking.attempt, of=TRIES)),
                ("no_answer", say("attempt.sending.no_answer")),
                "",
            ),
        ),
        ("done", ""),
        (
            "invalid",
            rx.match(
                Booking.detail,
                ("tier_missing", say("attempt.invalid.tier_missing")),
                ("quantity_missing", say("attempt.invalid.quantity_missing")),
                say("attempt.refused.text"),
            ),
        ),
        ("declined", say("attempt.declined.text")),
        ("fewer_left", say("attempt.fewer_left.text", quantity=Booking.quantity, tier=Booking.tier)),
        ("sold_out", say("attempt.sold_out.text")),
        ("all_held", say("attempt.all_held.text", tier=Booking.tier)),
        ("seat_taken", place.seat_taken),
        ("not_on_sale", say("attempt.not_on_sale.text")),
        ("rate_limited", say("attempt.rate_limited.text")),
        ("busy", "away", say("attempt.busy.text")),
        ("unreachable", say("attempt.unreachable.text")),
        ("not_found", rx.cond(place.leads, say("attempt.not_found.text"), say("attempt.not_found.over"))),
        say("attempt.refused.text"),
    )


def _patience() -> Ui:
    return rx.match(
        Booking.patience,
        ("explain", rx.el.p(say("attempt.patience.explain"))),
        ("check", rx.fragment(rx.el.p(say("attempt.patience.check")), _check())),
        rx.fragment(),
    )


def _ways_on(place: Place) -> Ui:
    again = rx.cond(place.leads, rx.el.button(say("attempt.again"), disabled=place.locked, **place.again))
    book_left = rx.cond(
        place.leads,
        rx.el.button(
            say("attempt.book_left", left=Booking.left, total=place.total_left),
            type="button",
            on_click=[*place.before_fewer, Booking.book_left(sending.click)],  # type: ignore[misc]
            disabled=place.locked,
        ),
    )
    return rx.match(
        Booking.phase,
        ("declined", again),
        ("busy", "away", again),
        ("all_held", rx.fragment(again, place.other)),
        ("rate_limited", again),
        ("unreachable", _check()),
        ("not_found", again),
        ("fewer_left", rx.fragment(book_left, place.other)),
        ("sold_out", place.other),
        ("seat_taken", place.way_from_seat_taken),
        ("done", link(say("attempt.done.see"), to=f"/booking/{Booking.reference}", class_name="button")),
        ("sending", rx.fragment()),
        ("invalid", rx.fragment()),
        place.other,
    )


def _check() -> Ui:
    checking = Booking.detail == "checking"
    return rx.el.button(
        rx.cond(checking, rx.fragment(spinner(), say("attempt.checking")), say("attempt.check")),
        type="button",
        on_click=Booking.check,
        aria_busy=checking,
    )
