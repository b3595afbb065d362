"""The event page: what is left, and the form that books."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import reflex as rx

from webapp.client import Answer, Problem, api
from webapp.components.availability import AVAILABILITY_PATH, AvailabilityFeed, Tier, action, box_office
from webapp.components.layout import Ui, page
from webapp.components.visitor import Visitor, user_id_field
from webapp.models import CONCERT, Order
from webapp.purchase import Purchase, carry_out, read_form

_log = logging.getLogger(__name__)

_EXPLAIN_AFTER_S = 2
_OFFER_CHECK_AFTER_S = 10
# Longer than a purchase can take: past this it was cut short, and the page is free again.
_SENDING_S_MAX = 90
_SKELETON_TIERS = 3
# A booking that stands; every other status means that this purchase came to nothing.
_STANDING = {"confirmed", "pending"}
# While this lasts, a click is a second click.
_UNDER_WAY = {"sending", "done"}

# How a purchase can end, and what is said about it.
_ENDINGS = {
    "declined": ("Payment declined", "Nothing was taken and no ticket is held for you."),
    "fewer_left": ("Only {left} left", "You asked for {quantity} \u00d7 {tier}. Nothing was taken."),
    "sold_out": ("{tier} is sold out", "The last ones went just now. Nothing was taken."),
    "all_held": (
        "All in other people\u2019s bookings",
        "The last {tier} tickets are in bookings that are not finished. Some may come back.",
    ),
    "rate_limited": ("Too many bookings in a short time", "Nothing was taken."),
    "busy": ("Still very busy", "Nothing was booked and nothing was taken."),
    "unreachable": (
        "No answer from the box office",
        "Whether your booking was made is not known yet. Trying again is safe: it cannot book twice.",
    ),
    "not_found": ("Not booked", "The last attempt did not arrive. Nothing was booked and nothing was taken."),
}
_REFUSED = ("This cannot be booked", "{message}")


class Booking(rx.State):
    """One visitor's attempt to book. The truth is in the API; this is what the page says about it."""

    phase: str = "idle"
    """`idle`, `sending`, `done` (on the way to the confirmation), or what ended the last attempt."""
    title: str = ""
    text: str = ""
    patience: str = ""
    """`explain` and then `check`, as sending takes longer."""
    left: int = 0
    """After `sold_out`: how many tickets of the tier there still are."""
    wait_s: int = 0
    turn: int = 0
    unsettled: str = rx.SessionStorage("", name="unsettled-booking")
    """The purchase whose outcome is unknown. The tab keeps it, so that neither a reload nor a restart of
    this server makes the buyer pay twice."""
    _last: str = ""
    _sending_until: float = 0

    @rx.event(background=True)
    async def arrive(self) -> AsyncGenerator[Any, None]:
        """Start clean, or find out about the purchase that this tab was left with."""
        async with self:
            if self.phase == "sending" and time.monotonic() < self._sending_until:
                return
            purchase = Purchase.from_json(self.unsettled)
            self._show("idle", "", "")
        if purchase is not None and purchase.in_doubt:
            async for event in self._look_up(purchase):
                yield event

    @rx.event(background=True)
    async def book(self, form: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """Book what the form says; a second click while the first is being sent does nothing."""
        async for event in self._book(read_form(form)):
            yield event

    @rx.event(background=True)
    async def book_left(self) -> AsyncGenerator[Any, None]:
        """Book as many as are left, after fewer were left than asked for."""
        async with self:
            wanted = Purchase.from_json(self._last)
            if wanted is None or self.phase != "fewer_left":
                return
            fewer = Purchase.new(wanted.tier, self.left, wanted.user_id)
        async for event in self._book(fewer):
            yield event

    @rx.event(background=True)
    async def check(self) -> AsyncGenerator[Any, None]:
        """Ask the API what became of the purchase, while or after it is sent."""
        async with self:
            purchase = Purchase.from_json(self.unsettled)
        if purchase is not None:
            async for event in self._look_up(purchase):
                yield event

    async def _book(self, wanted: Purchase | str) -> AsyncGenerator[Any, None]:
        async with self:
            if self.phase in _UNDER_WAY and time.monotonic() < self._sending_until:
                return
            if isinstance(wanted, str):
                self._show("invalid", "Something is missing", wanted)
                return
            earlier = Purchase.from_json(self.unsettled)
            # The same wish while the last answer is unknown is the same purchase: its key is kept.
            purchase = earlier if earlier is not None and earlier.same_as(wanted) else wanted
            self._last = purchase.to_json()
            self._sending_until = time.monotonic() + _SENDING_S_MAX
            self._show("sending", "Booking your tickets", "")
            visitor = await self.get_state(Visitor)
            visitor.user_id = purchase.user_id
        async for event in self._send(purchase, earlier):
            yield event

    async def _send(self, purchase: Purchase, earlier: Purchase | None) -> AsyncGenerator[Any, None]:
        if earlier is not None and earlier != purchase and earlier.in_doubt:
            # Something else was wanted before and may have been booked: that is settled first.
            found = await self._find(earlier)
            if found.problem is not None or (found.value is not None and found.value.status in _STANDING):
                async with self:
                    event = self._conclude(earlier, found)
                if event is not None:
                    yield event
                return
        async with self:
            # From here on it may be booked, whatever happens to this process or to the page.
            self.unsettled = replace(purchase, in_doubt=True).to_json()
        sending = asyncio.create_task(carry_out(purchase, api(), self._tell))
        try:
            for patience, wait_s in (
                ("explain", _EXPLAIN_AFTER_S),
                ("check", _OFFER_CHECK_AFTER_S - _EXPLAIN_AFTER_S),
            ):
                await asyncio.wait({sending}, timeout=wait_s)
                if sending.done():
                    break
                async with self:
                    self.patience = patience
            answer = await sending
        except Exception:  # noqa: BLE001 - whatever it was, it is logged and the buyer told
            # The page must not say "sending" for ever, and the outcome is open.
            _log.exception("A purchase was interrupted")
            answer = Answer(problem=Problem("unreachable", ""))
        finally:
            sending.cancel()
        async with self:
            event = self._conclude(purchase, answer) if self._is_open(purchase) else None
        if event is not None:
            yield event

    async def _look_up(self, purchase: Purchase) -> AsyncGenerator[Any, None]:
        answer = await self._find(purchase)
        event = None
        async with self:
            if not self._is_open(purchase):
                return
            if answer.value is not None or self.phase != "sending":
                event = self._conclude(purchase, answer)
            else:
                self.text = "No answer yet; still trying"
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

    async def _tell(self, text: str) -> None:
        async with self:
            self.text = text

    def _is_open(self, purchase: Purchase) -> bool:
        open_purchase = Purchase.from_json(self.unsettled)
        return open_purchase is not None and open_purchase.reference == purchase.reference

    def _conclude(self, purchase: Purchase, answer: Answer[Order]) -> Any:
        """Show how the purchase ended; returns the way to the confirmation if there is one."""
        order, problem = answer.value, answer.problem
        if order is not None and order.status in _STANDING:
            self.unsettled = ""
            self._show("done", "Booked", "")
            return rx.redirect(f"/booking/{order.reference}")
        if problem is None:
            problem = Problem("declined" if order else "not_found", "")
        # Where the same wish may be sent again under the same key, the key is kept.
        keep = problem.kind in {"busy", "unreachable", "not_found"}
        self.unsettled = replace(purchase, in_doubt=problem.kind == "unreachable").to_json() if keep else ""
        ending = "fewer_left" if problem.kind == "sold_out" and problem.available else problem.kind
        title, text = (
            words.format(
                tier=purchase.tier, quantity=purchase.quantity, left=problem.available, message=problem.message
            )
            for words in _ENDINGS.get(ending, _REFUSED)
        )
        self._show(ending, title, text, left=problem.available, wait_s=problem.retry_after_s)
        return None

    def _show(self, phase: str, title: str, text: str, *, left: int = 0, wait_s: int = 0) -> None:
        self.phase, self.title, self.text = phase, title, text
        self.left, self.wait_s, self.patience = left, wait_s, ""
        self.turn += 1


@rx.page(  # type: ignore[untyped-decorator]
    route="/",
    image="/favicon.svg",
    title=f"{CONCERT.title} at {CONCERT.venue}: tickets",
    description=f"{CONCERT.title}, {CONCERT.venue}, {CONCERT.day} {CONCERT.month} {CONCERT.year}: book tickets.",
    on_load=Booking.arrive,
)
def event_page() -> Ui:
    """Show the concert, its tiers and the booking form."""
    return page(
        AvailabilityFeed.create(
            path=AVAILABILITY_PATH,
            sending=(Booking.phase == "sending") | (Booking.phase == "done"),
            turn=Booking.turn,
            wait_s=Booking.wait_s,
        ),
        rx.el.div(_poster(), _box_office(), class_name="event"),
    )


def _poster() -> Ui:
    return rx.el.section(
        rx.el.div(class_name="aurora", aria_hidden="true"),
        rx.el.div(
            rx.el.p(CONCERT.venue, class_name="poster-venue"),
            rx.el.h1(*[rx.el.span(word) for word in CONCERT.title.split()]),
            rx.el.p(CONCERT.lead, class_name="poster-lead"),
            class_name="poster-words",
        ),
        rx.el.p(
            rx.el.time(
                rx.el.span(CONCERT.day, class_name="poster-day"),
                rx.el.span(
                    rx.el.span(f"{CONCERT.month} {CONCERT.year}"),
                    rx.el.span(f"{CONCERT.weekday}, {CONCERT.time}"),
                    class_name="poster-month",
                ),
                date_time=CONCERT.starts_at,
            ),
            class_name="poster-date",
        ),
        class_name="poster",
    )


def _box_office() -> Ui:
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Tickets", id="tickets"),
            _freshness(),
            class_name="box-head",
        ),
        rx.el.p(box_office.announcement, class_name="unseen", aria_live="polite", aria_atomic="true"),
        rx.el.form(
            rx.el.fieldset(
                rx.el.legend("Tier", class_name="unseen"),
                rx.cond(
                    box_office.tiers.length() > 0,
                    rx.foreach(box_office.tiers, _tier),
                    rx.fragment(*[_skeleton() for _ in range(_SKELETON_TIERS)]),
                ),
                class_name="tiers",
            ),
            rx.cond(
                box_office.sold_out,
                rx.el.p(
                    rx.el.strong("Sold out. "),
                    "Every ticket for this concert has gone.",
                    class_name="all-gone",
                    role="status",
                ),
            ),
            rx.el.div(_stepper(), user_id_field("kept in this browser"), class_name="order"),
            _submit(),
            _notice(),
            on_submit=[action("press"), Booking.book],
            id="booking",
        ),
        class_name="box",
        aria_labelledby="tickets",
    )


def _freshness() -> Ui:
    return rx.el.p(
        rx.match(
            box_office.phase,
            ("live", rx.fragment(rx.el.span(class_name="dot", aria_hidden="true"), "Live")),
            ("loading", rx.fragment("Loading")),
            (
                "stale",
                rx.fragment("Last known counts, ", rx.el.span(box_office.age, class_name="figures"), " old. Retrying"),
            ),
            rx.fragment("The box office does not answer. Retrying"),
        ),
        class_name="freshness",
        data_phase=box_office.phase,
        role="status",
        aria_live="polite",
    )


def _tier(tier: rx.vars.ObjectVar[Tier]) -> Ui:
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="tier",
            value=tier.name,
            checked=box_office.tier == tier.name,
            disabled=tier.sold_out | box_office.sending,
            on_change=action("choose", tier.name),
        ),
        rx.el.span(
            rx.el.span(tier.name, class_name="tier-name"),
            rx.cond(tier.words != "", rx.el.span(tier.words, class_name="tier-words")),
            class_name="tier-title",
        ),
        rx.el.span(
            rx.el.span(
                rx.el.span(style={"width": f"{tier.percent}%"}),
                class_name="bar",
                aria_hidden="true",
            ),
            rx.el.span(
                rx.el.span(tier.left, class_name="tier-left"),
                f" of {tier.total} left",
                class_name="tier-count",
            ),
            class_name="tier-stock",
        ),
        rx.el.span(
            rx.el.span(tier.price, class_name="price"),
            rx.el.span("each, fees included", class_name="small"),
            class_name="stub",
        ),
        class_name="tier",
        data_tier=tier.name,
        data_sold_out=tier.sold_out,
        data_chosen=box_office.tier == tier.name,
    )


def _skeleton() -> Ui:
    return rx.el.div(
        rx.el.span(class_name="bone bone-title"),
        rx.el.span(class_name="bone bone-stock"),
        rx.el.span(class_name="stub"),
        class_name="tier skeleton",
        aria_hidden="true",
    )


def _stepper() -> Ui:
    def step(by: int, sign: str, name: str, at_end: Any) -> Ui:
        return rx.el.button(
            rx.el.span(sign, aria_hidden="true"),
            type="button",
            aria_label=name,
            disabled=at_end | box_office.sending,
            on_click=action("changeQuantity", by),
        )

    return rx.el.div(
        rx.el.span("How many", class_name="label", id="how-many"),
        rx.el.div(
            step(-1, "\u2212", "One ticket fewer", box_office.fewest),
            rx.el.output(box_office.quantity, class_name="figures", aria_live="polite"),
            step(1, "+", "One ticket more", box_office.most),
            class_name="stepper",
            role="group",
            aria_labelledby="how-many",
        ),
        rx.el.input(type="hidden", name="quantity", value=box_office.quantity),
        rx.el.span(f"up to {box_office.limit}", class_name="small"),
        class_name="field",
    )


def _submit() -> Ui:
    return rx.el.button(
        rx.cond(
            box_office.sending,
            rx.fragment(rx.el.span(class_name="spinner", aria_hidden="true"), "Booking"),
            rx.cond(
                box_office.total != "",
                rx.fragment(
                    rx.el.span(f"Book {box_office.quantity} \u00d7 {box_office.tier}"),
                    rx.el.span(box_office.total, class_name="figures"),
                ),
                rx.cond(box_office.sold_out, "Sold out", "Book"),
            ),
        ),
        type="submit",
        class_name="submit",
        disabled=box_office.locked,
        aria_busy=box_office.sending,
    )


def _notice() -> Ui:
    """Everything that can be said about an attempt, below the button that started it."""
    again = rx.el.button("Try again", type="submit", disabled=box_office.locked)
    check = rx.el.button("Check what became of it", type="button", on_click=Booking.check)
    other = rx.el.button("Choose another tier", type="button", on_click=action("focusTiers"))
    return rx.el.div(
        rx.cond(
            box_office.unheard,
            _message(
                "unreachable",
                "The page has lost its connection",
                "Your click was not heard yet. It is sent as soon as the connection is back, and only once.",
            ),
            rx.cond(
                Booking.phase != "idle",
                _message(
                    Booking.phase,
                    Booking.title,
                    Booking.text,
                    rx.match(
                        Booking.patience,
                        ("explain", rx.el.p("This takes longer than usual. Stay here: you are booked once at most.")),
                        (
                            "check",
                            rx.fragment(
                                rx.el.p("Still no answer. Your tickets cannot be booked twice."),
                                check,
                            ),
                        ),
                        rx.fragment(),
                    ),
                    rx.cond(
                        box_office.wait != "",
                        rx.el.p("You can try again in ", rx.el.span(box_office.wait, class_name="figures")),
                    ),
                    rx.match(
                        Booking.phase,
                        ("declined", again),
                        ("busy", again),
                        ("all_held", rx.fragment(again, other)),
                        ("rate_limited", again),
                        ("unreachable", rx.fragment(check, again)),
                        (
                            "fewer_left",
                            rx.fragment(
                                rx.el.button(
                                    f"Book {Booking.left} instead",
                                    type="button",
                                    on_click=[
                                        action("changeQuantity", Booking.left - box_office.quantity),
                                        Booking.book_left,
                                    ],
                                    disabled=box_office.locked,
                                ),
                                other,
                            ),
                        ),
                        ("sold_out", other),
                        rx.fragment(),
                    ),
                ),
            ),
        ),
        class_name="notice-place",
        role="status",
        aria_live="polite",
    )


def _message(kind: Any, title: Any, text: Any, *more: rx.Component) -> Ui:
    return rx.el.div(
        rx.el.p(title, class_name="notice-title"),
        rx.el.p(text),
        *more,
        class_name="notice",
        data_kind=kind,
    )
