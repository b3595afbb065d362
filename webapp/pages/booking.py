"""The page of one booking, under its reference: right after booking, after a reload and later."""

from collections.abc import AsyncGenerator
from typing import Any

import reflex as rx

from webapp.client import api
from webapp.components.availability import action, box_office
from webapp.components.layout import Ui, link, page
from webapp.components.order import concert_line, order_total, status_words, ticket_row
from webapp.models import CONCERT, NO_ORDER, Order

_REFERENCE_LENGTH_MAX = 200


class Confirmation(rx.State):
    """The booking that the address names, as the API tells it."""

    phase: str = "loading"
    """`loading`, `found`, `not_found` or `unreachable`."""
    order: Order = NO_ORDER

    @rx.event
    async def load(self) -> AsyncGenerator[Any, None]:
        """Read the booking from the API."""
        reference = self.router.url.path.rstrip("/").rpartition("/")[2]
        if self.order.reference != reference:
            self.phase, self.order = "loading", NO_ORDER
            yield
        if not reference or len(reference) > _REFERENCE_LENGTH_MAX:
            self.phase = "not_found"
            return
        answer = await api().find(reference)
        if answer.value is not None:
            self.phase, self.order = "found", answer.value
        elif answer.problem is not None and answer.problem.kind in {"not_found", "invalid", "refused"}:
            self.phase, self.order = "not_found", NO_ORDER
        else:
            self.phase = "unreachable"


@rx.page(
    route="/booking/[reference]",
    image="/favicon.svg",
    title=f"Your booking: {CONCERT.title}",
    on_load=Confirmation.load,
)  # type: ignore[untyped-decorator]
def booking_page() -> Ui:
    """Show one booking."""
    return page(
        rx.el.div(
            rx.match(
                Confirmation.phase,
                ("found", _found()),
                ("not_found", _not_found()),
                ("unreachable", _unreachable()),
                _loading(),
            ),
            class_name="sheet",
            aria_live="polite",
        )
    )


def _found() -> Ui:
    order = Confirmation.order
    confirmed = order.status == "confirmed"
    return rx.el.article(
        rx.el.div(class_name="aurora", aria_hidden="true"),
        rx.el.div(
            rx.el.p(status_words(order.status), class_name="status", data_status=order.status),
            rx.el.h1(rx.cond(confirmed, "You\u2019re in.", status_words(order.status))),
            concert_line(),
            class_name="ticket-head",
        ),
        rx.el.div(
            rx.el.dl(
                rx.el.div(
                    rx.el.dt("Reference"),
                    rx.el.dd(order.reference, class_name="reference", id="reference"),
                    class_name="wide",
                ),
                rx.el.div(rx.el.dt("Tickets"), rx.el.dd(order.title, id="order-title")),
                rx.el.div(rx.el.dt("Total"), rx.el.dd(order_total(order), id="order-total")),
                rx.el.div(rx.el.dt("Booked for"), rx.el.dd(order.user_id, class_name="user")),
            ),
            rx.el.h2("Places"),
            rx.el.ul(rx.foreach(order.tickets, ticket_row), class_name="places"),
            rx.el.div(
                rx.el.button("Copy the reference", type="button", on_click=action("copyText", order.reference)),
                rx.el.button("Print", type="button", on_click=action("printPage")),
                link("My bookings", to="/bookings", class_name="button"),
                rx.el.span(box_office.copied, role="status", aria_live="polite", class_name="small"),
                class_name="actions",
            ),
            class_name="ticket-body",
        ),
        class_name="ticket",
    )


def _not_found() -> Ui:
    return rx.el.div(
        rx.el.h1("No such booking"),
        rx.el.p("There is no booking under this reference. Check it for a letter that is missing or too many."),
        rx.el.p(
            link("See my bookings", to="/bookings", class_name="button"),
            link("Back to the tickets", to="/", class_name="button"),
            class_name="actions",
        ),
    )


def _unreachable() -> Ui:
    return rx.el.div(
        rx.el.h1("The box office does not answer"),
        rx.el.p("Your booking is safe. This page cannot show it at the moment."),
        rx.el.p(
            rx.el.button("Try again", type="button", on_click=Confirmation.load),
            class_name="actions",
        ),
    )


def _loading() -> Ui:
    return rx.el.div(
        rx.el.h1("Your booking"),
        rx.el.div(class_name="bone bone-sheet"),
        rx.el.p("Loading", class_name="unseen"),
        aria_busy="true",
    )
