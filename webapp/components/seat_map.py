"""The house as a drawing: stage, rows and seats, to be picked with a mouse, a finger or the keyboard.

Where seats are drawn and what they are is computed in the browser (seats.js, box_office.js). The drawing is made anew
only with another house; a seat alone when its own look changes, so that a thousand of them stay smooth.
"""

from typing import Any

import reflex as rx

from webapp.components.box_office import Place, Row, action, box_office
from webapp.components.browser import Part, function
from webapp.components.language import money, number, say
from webapp.components.layout import Ui

_MODULE = "$/utils/event/store"


class SeatPlan(Part):
    """The frame around the drawing, which hears what is done to seats."""

    library = _MODULE
    tag = "SeatPlan"


class House(Part):
    """The drawing's frame, which grows by itself as one comes closer."""

    library = _MODULE
    tag = "House"

    columns: rx.Var[int]
    tall: rx.Var[int]
    """Its height, in the drawing's units."""


class SeatLook(Part):
    """A seat's group in the drawing, which follows the seat's state by itself."""

    library = _MODULE
    tag = "SeatLook"

    seat: rx.Var[int]


def seat_map() -> Ui:
    """Return the map with its legend, its tools and the same seats as a list; nothing where there are no seats."""
    return rx.cond(
        box_office.has_map,
        rx.el.section(
            rx.el.div(
                rx.el.h3(say("map.title"), id="map"),
                rx.el.p(say("map.help"), class_name="small", id="map-help"),
                class_name="map-head",
            ),
            _lost(),
            SeatPlan.create(_drawing(), class_name="plan"),
            rx.el.div(_legend(), _tools(), class_name="map-foot"),
            _list(),
            class_name="map",
            aria_labelledby="map",
        ),
        rx.cond(box_office.map_away, rx.el.p(say("map.away"), class_name="small", role="status")),
    )


def seat_name(seat: Any) -> Any:
    """Say a seat's name."""
    return say("seat.name", row=seat.row, number=seat.number)


def _drawing() -> Ui:
    house = box_office.house
    return House.create(
        rx.el.svg.path(d=function(_MODULE, "stagePath").call(house.width), class_name="stage"),
        rx.el.svg.text(say("map.stage"), x=house.middle, y=44, class_name="stage-name"),
        rx.foreach(
            box_office.blocks,
            lambda block: rx.el.svg.text(block.name, x=house.middle, y=block.y, class_name="block-name"),
        ),
        rx.foreach(house.rows, _row),
        columns=house.columns,
        tall=house.height,
        custom_attrs={
            "viewBox": f"0 0 {house.width} {house.height}",
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


def _seat(seat: rx.vars.ObjectVar[Place]) -> Ui:
    return SeatLook.create(
        rx.el.svg.circle(cx=seat.x, cy=seat.y, r=11),
        rx.el.svg.text(number(seat.number), x=seat.x, y=seat.y, aria_hidden="true"),
        seat=seat.id,
        custom_attrs={
            "aria-label": say("map.seat", tier=seat.tier, row=seat.row, number=seat.number),
        },
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
        entry("held", say("map.held")),
        entry("sold", say("map.sold")),
        rx.foreach(
            box_office.blocks,
            lambda block: rx.el.li(
                rx.el.span(class_name="tone", data_tone=block.tone, aria_hidden="true"),
                say("map.tier", tier=block.name, price=money(block.price, box_office.event.currency)),
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
        tool("\u2212", "map.farther", -1, box_office.whole),
        tool("+", "map.closer", 1, box_office.widest),
        role="group",
        aria_label=say("map.zoom"),
        class_name="zoom",
    )


def _lost() -> Ui:
    """Return what is said of seats that others took while they were picked here, and the nearest free ones."""
    return rx.el.div(
        rx.cond(
            box_office.lost.length() > 0,
            rx.el.div(
                rx.el.ul(
                    rx.foreach(
                        box_office.lost,
                        lambda seat: rx.el.li(say("map.lost", row=seat.row, number=seat.number)),
                    ),
                    class_name="notice-title",
                ),
                rx.cond(
                    box_office.offers.length() > 0,
                    rx.fragment(
                        rx.el.p(say("map.nearest")),
                        rx.foreach(
                            box_office.offers,
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
    """Return the seats as check boxes, row by row, for whom a drawing is of no use; made only when it is opened."""
    return rx.el.div(
        rx.el.button(
            rx.cond(box_office.list, say("map.list_close"), say("map.list_open")),
            type="button",
            aria_expanded=box_office.list,
            on_click=action("toggleList"),
            class_name="text-button",
        ),
        rx.cond(
            box_office.list,
            rx.el.div(rx.foreach(box_office.house.rows, _list_row), class_name="seat-list"),
        ),
    )


def _list_row(row: rx.vars.ObjectVar[Row]) -> Ui:
    return rx.el.fieldset(
        rx.el.legend(say("map.row", tier=row.tier, row=row.name)),
        rx.foreach(row.seats, lambda seat: SeatBox.create(seat=seat.id, number=number(seat.number))),
    )


class SeatBox(Part):
    """A seat's check box in the list, which follows the seat's state by itself."""

    library = _MODULE
    tag = "SeatBox"

    seat: rx.Var[int]
    number: rx.Var[str]
