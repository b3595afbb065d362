"""The seat map: stage, rows and seats, to pick with a mouse, a finger or the keyboard, and the same seats as a list.

The browser computes positions and states (webapp/js/event). Each seat draws itself when its own state changes, and the
drawing only when the event's seats change. A thousand seats therefore stay smooth.
"""

from typing import Any

import reflex as rx
from reflex.vars.function import ArgsFunctionOperation

from webapp.components.browser import Part, function
from webapp.components.event_view import LostSeat, PlacedSeat, Row, action, event_view
from webapp.components.language import price, say
from webapp.components.layout import Ui

_MODULE = "$/utils/event/seat_map"


class SeatPlan(Part):
    """The frame around the drawing, which scrolls and handles the events of all seats."""

    library = _MODULE
    tag = "SeatPlan"


class Drawing(Part):
    """The drawing, which zooms without drawing its seats again."""

    library = _MODULE
    tag = "Drawing"

    columns: rx.Var[int]
    tall: rx.Var[int]
    """Height in the drawing's units."""


class SeatShape(Part):
    """A seat in the drawing, which follows its own state."""

    library = _MODULE
    tag = "SeatShape"

    seat: rx.Var[int]
    label: rx.Var[Any]
    """A function that returns the seat's name for a state."""


def seat_map() -> Ui:
    """Return the map with its legend, its tools and the list of seats; nothing for a tier without seats."""
    return rx.cond(
        event_view.has_map,
        rx.el.section(
            rx.el.div(
                rx.el.h3(say("map.title"), id="map"),
                rx.el.p(say("map.help"), class_name="small", id="map-help"),
                class_name="map-head",
            ),
            _lost(),
            SeatPlan.create(_drawing(), class_name="plan", custom_attrs={"translate": "no"}),
            rx.el.div(_legend(), _tools(), class_name="map-foot"),
            _list(),
            class_name="map",
            aria_labelledby="map",
        ),
        rx.cond(event_view.map_away, rx.el.p(say("map.away"), class_name="small", role="status")),
    )


def seat_name(seat: Any) -> Any:
    """Return a seat's name in the visitor's language."""
    return say("seat.name", row=seat.row, number=seat.number)


def lost_text(seat: rx.vars.ObjectVar[LostSeat]) -> Any:
    """Return the text about a picked seat that is taken, by an order of this browser or by another buyer."""
    return rx.cond(
        seat.own,
        say("map.lost_own", row=seat.row, number=seat.number),
        say("map.lost", row=seat.row, number=seat.number),
    )


def _drawing() -> Ui:
    layout = event_view.layout
    return Drawing.create(
        rx.el.svg.path(d=function(_MODULE, "stagePath").call(layout.width), class_name="stage"),
        rx.el.svg.text(say("map.stage"), x=layout.middle, y=44, class_name="stage-name"),
        rx.foreach(
            event_view.sections,
            lambda section: rx.el.svg.text(section.name, x=layout.middle, y=section.y, class_name="block-name"),
        ),
        rx.foreach(layout.rows, _row),
        columns=layout.columns,
        tall=layout.height,
        custom_attrs={
            "viewBox": f"0 0 {layout.width} {layout.height}",
            "role": "group",
            "aria-label": say("map.title"),
            "aria-describedby": "map-help",
        },
    )


def _row(row: rx.vars.ObjectVar[Row]) -> Ui:
    return rx.el.svg.g(
        rx.foreach(
            row.labels,
            lambda label: rx.el.svg.text(row.name, x=label.x, y=label.y, aria_hidden="true"),
        ),
        rx.foreach(row.seats, _seat),
        data_tone=row.tone,
    )


def _seat(seat: rx.vars.ObjectVar[PlacedSeat]) -> Ui:
    return SeatShape.create(
        rx.el.svg.circle(cx=seat.x, cy=seat.y, r=11),
        rx.el.svg.text(seat.number, x=seat.x, y=seat.y, aria_hidden="true"),
        seat=seat.id,
        label=ArgsFunctionOperation.create(
            ("state",),
            say(
                "map.seat",
                tier=seat.tier,
                row=seat.row,
                number=seat.number,
                price=price(event_view.prices[seat.tier], event_view.event),
                state=rx.Var("state"),
            ),
        ),
    )


def _legend() -> Ui:
    def entry(state: str, words: Any) -> Ui:
        return rx.el.li(
            rx.el.svg(
                rx.el.svg.circle(cx=12, cy=12, r=11),
                view_box="0 0 24 24",
                class_name="seat",
                data_state=state,
                aria_hidden="true",
            ),
            words,
        )

    return rx.el.ul(
        entry("free", say("map.free")),
        entry("mine", say("map.mine")),
        entry("offered", say("map.offered")),
        entry("held", say("map.held")),
        entry("sold", say("map.sold")),
        rx.foreach(
            event_view.sections,
            lambda section: rx.el.li(
                rx.el.span(class_name="tone", data_tone=section.tone, aria_hidden="true"),
                say("map.tier", tier=section.name, price=price(section.price, event_view.event)),
            ),
        ),
        class_name="legend",
        aria_label=say("map.legend"),
    )


def _tools() -> Ui:
    def tool(sign: str, name: str, by: int, at_end: Any) -> Ui:
        return rx.el.button(
            rx.el.span(sign, aria_hidden="true"),
            type="button",
            aria_label=say(name),
            disabled=at_end,
            on_click=action("changeZoom", by),
        )

    return rx.el.div(
        tool("\u2212", "map.farther", -1, event_view.whole),
        tool("+", "map.closer", 1, event_view.widest),
        role="group",
        aria_label=say("map.zoom"),
        class_name="zoom",
    )


def _lost() -> Ui:
    """Return a notice about picked seats that are taken, with the nearest free seats."""
    return rx.el.div(
        rx.cond(
            event_view.lost.length() > 0,
            rx.el.div(
                rx.el.ul(
                    rx.foreach(
                        event_view.lost,
                        lambda seat: rx.el.li(lost_text(seat)),
                    ),
                    class_name="notice-title",
                ),
                rx.cond(
                    event_view.offers.length() > 0,
                    rx.fragment(
                        rx.el.p(say("map.nearest")),
                        rx.foreach(
                            event_view.offers,
                            lambda seat: rx.el.button(seat_name(seat), type="button", on_click=action("pick", seat.id)),
                        ),
                    ),
                    rx.el.p(say("map.none_near")),
                ),
                class_name="notice",
                data_kind="seat_lost",
            ),
        ),
        role="status",
        aria_live="polite",
    )


def _list() -> Ui:
    """Return the seats as check boxes, row by row, for visitors who cannot use a drawing.

    The browser builds the list when the visitor opens it.
    """
    return rx.el.div(
        rx.el.button(
            rx.cond(event_view.list, say("map.list_close"), say("map.list_open")),
            type="button",
            aria_expanded=event_view.list,
            on_click=action("toggleList"),
            class_name="text-button",
        ),
        rx.cond(
            event_view.list,
            rx.el.div(rx.foreach(event_view.layout.rows, _list_row), class_name="seat-list"),
        ),
    )


def _list_row(row: rx.vars.ObjectVar[Row]) -> Ui:
    return rx.el.fieldset(
        rx.el.legend(say("map.row", tier=row.tier, row=row.name)),
        rx.foreach(row.seats, lambda seat: SeatBox.create(seat=seat.id, number=seat.number)),
    )


class SeatBox(Part):
    """A seat's check box in the list, which follows its own state."""

    library = _MODULE
    tag = "SeatBox"

    seat: rx.Var[int]
    number: rx.Var[int]
