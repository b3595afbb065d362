"""A user's bookings, newest first."""

from collections.abc import AsyncGenerator
from typing import Any

import reflex as rx

from webapp.client import api
from webapp.components.layout import Ui, link, page
from webapp.components.order import order_card
from webapp.components.visitor import Visitor, chosen_user_id, user_id_field
from webapp.models import CONCERT, Order


class MyBookings(rx.State):
    """The list, page by page as the API hands it out."""

    phase: str = "idle"
    """`idle` (nobody named yet), `loading`, `listed` or `unreachable`."""
    orders: rx.Field[list[Order]] = rx.field(default_factory=list)
    cursor: str = ""
    _user_id: str = ""

    @rx.event
    async def arrive(self) -> AsyncGenerator[Any, None]:
        """List the bookings of the user that this browser knows."""
        visitor = await self.get_state(Visitor)
        if visitor.user_id:
            async for _ in self._list(visitor.user_id):
                yield

    @rx.event
    async def show(self, form: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """List the bookings of the user that the form names."""
        user_id = chosen_user_id(form)
        if not user_id:
            return
        visitor = await self.get_state(Visitor)
        visitor.user_id = user_id
        async for _ in self._list(user_id):
            yield

    @rx.event
    async def more(self) -> None:
        """Add the next page to the list."""
        if not self.cursor:
            return
        answer = await api().orders_of(self._user_id, self.cursor)
        if answer.value is None:
            self.phase = "unreachable"
            return
        self.phase, self.cursor = "listed", answer.value.cursor
        self.orders = [*self.orders, *answer.value.orders]

    async def _list(self, user_id: str) -> AsyncGenerator[None, None]:
        self.phase, self.orders, self.cursor, self._user_id = "loading", [], "", user_id
        yield
        answer = await api().orders_of(user_id)
        if answer.value is None:
            self.phase = "unreachable"
            return
        self.phase, self.orders, self.cursor = "listed", answer.value.orders, answer.value.cursor


@rx.page(route="/bookings", image="/favicon.svg", title=f"My bookings: {CONCERT.title}", on_load=MyBookings.arrive)  # type: ignore[untyped-decorator]
def bookings_page() -> Ui:
    """Show the bookings of the user whose id the visitor types."""
    return page(
        rx.el.div(
            rx.el.h1("My bookings"),
            rx.el.form(
                user_id_field(""),
                rx.el.button("Show bookings", type="submit", class_name="submit"),
                on_submit=MyBookings.show,
                class_name="who",
            ),
            rx.el.div(
                rx.match(
                    MyBookings.phase,
                    ("loading", rx.el.div(class_name="bone bone-card", aria_busy="true")),
                    ("idle", rx.el.p("Type the user id that you book with.")),
                    ("listed", rx.cond(MyBookings.orders, _list(), _empty())),
                    rx.fragment(),
                ),
                rx.cond(
                    MyBookings.phase == "unreachable",
                    rx.el.p("The box office does not answer. Your bookings are safe; try again in a moment."),
                ),
                aria_live="polite",
            ),
            class_name="sheet",
        )
    )


def _list() -> Ui:
    return rx.fragment(
        rx.el.ul(rx.foreach(MyBookings.orders, order_card), class_name="cards"),
        rx.cond(
            MyBookings.cursor != "",
            rx.el.button("Load more", type="button", on_click=MyBookings.more, class_name="button"),
        ),
    )


def _empty() -> Ui:
    return rx.el.div(
        rx.el.p("No bookings yet.", class_name="notice-title"),
        rx.el.p("Tickets that you book show up here."),
        rx.el.p(link("Choose tickets", to="/", class_name="button"), class_name="actions"),
        class_name="empty",
    )
