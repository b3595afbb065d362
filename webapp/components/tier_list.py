"""The tiers of an event: prices, stock, numbers of tickets, and announcements for screen readers."""

from typing import Any

import reflex as rx

from webapp.components.checkout import checkout
from webapp.components.event_view import Tier, action, event_view
from webapp.components.language import name, number, price, say, span
from webapp.components.layout import Ui

_SKELETON_TIERS = 3
is_stale = event_view.phase == "stale"
"""True while the counts are old. Old counts allow no larger quantity."""


def tier_list() -> Ui:
    """Return the tiers to choose tickets of, or their skeleton until they are known."""
    return rx.el.div(
        rx.cond(
            (event_view.phase != "loading") & (event_view.tiers.length() > 0),
            rx.foreach(event_view.tiers, _tier),
            rx.fragment(*[_skeleton() for _ in range(_SKELETON_TIERS)]),
        ),
        role="group",
        aria_labelledby="tickets",
        class_name="tiers",
    )


def freshness() -> Ui:
    """Return the age of the counts as text."""
    return rx.el.p(
        rx.match(
            event_view.phase,
            ("live", rx.fragment(rx.el.span(class_name="dot", aria_hidden="true"), say("counts.live"))),
            ("loading", rx.fragment(say("counts.loading"))),
            ("stale", rx.fragment(say("counts.stale", age=event_view.age))),
            rx.fragment(say("counts.unreachable")),
        ),
        class_name="freshness",
        data_phase=event_view.phase,
        role="status",
        # Screen readers do not read the age of old counts every second.
        aria_live=rx.cond(is_stale, "off", "polite"),
    )


def announcement() -> Ui:
    """Return the changes of stock for screen readers."""
    announcement = event_view.announcement
    return rx.el.p(
        rx.match(
            announcement.code,
            ("left", say("counts.announce_left", tier=announcement.tier, left=announcement.left)),
            ("sold_out", say("counts.announce_sold_out", tier=announcement.tier)),
            ("all_held", say("counts.announce_all_held", tier=announcement.tier)),
            "",
        ),
        class_name="unseen",
        aria_live="polite",
        aria_atomic="true",
    )


def _tier(tier: rx.vars.ObjectVar[Tier]) -> Ui:
    return rx.el.div(
        rx.el.span(
            name(tier.name, class_name="tier-name"),
            rx.cond(
                tier.sold_out,
                rx.el.span(say("tier.sold_out"), class_name="tier-words"),
                rx.cond(
                    tier.all_held,
                    rx.el.span(say("tier.all_held"), class_name="tier-words"),
                    rx.cond(tier.low, rx.el.span(say("tier.low"), class_name="tier-words")),
                ),
            ),
            class_name="tier-title",
        ),
        rx.el.span(
            rx.el.span(
                rx.el.span(custom_attrs={"style": {"--left": f"{tier.percent}%"}}),
                class_name="bar",
                aria_hidden="true",
            ),
            rx.cond(
                tier.all_held,
                rx.el.span(
                    rx.cond(
                        tier.back_in != 0, say("tier.back_in", time=span(tier.back_in)), say("tier.back_any_moment")
                    ),
                    class_name="tier-count",
                ),
                rx.cond(
                    (event_view.phase == "unreachable") | ~tier.known,
                    rx.el.span(say("tier.unknown"), class_name="tier-count"),
                    rx.el.span(
                        rx.cond(tier.low | (tier.available == 0), _left(tier), say("tier.available")),
                        class_name="tier-count",
                    ),
                ),
            ),
            class_name="tier-stock",
        ),
        rx.el.span(
            rx.el.span(price(tier.price, event_view.event), class_name="price"),
            rx.cond(tier.price == 0, rx.fragment(), rx.el.span(say("tier.each"), class_name="small")),
            # Nothing can be added or removed while no ticket is left.
            rx.cond(event_view.sold_out | (tier.sold_out & (tier.wanted == 0)), rx.fragment(), _stepper(tier)),
            class_name="stub",
        ),
        class_name="tier",
        data_tier=tier.name,
        # Nothing is chosen in a sold-out event.
        data_wanted=(tier.wanted != 0) & ~event_view.sold_out,
        data_sold_out=tier.sold_out,
        data_held=tier.all_held,
    )


def _left(tier: rx.vars.ObjectVar[Tier]) -> Any:
    return say("tier.left", left=tier.available, total=tier.total)


def counts() -> Ui:
    """Return the exact counts of every tier, which open on demand."""
    return rx.el.details(
        rx.el.summary(say("counts.left")),
        rx.match(
            event_view.phase,
            ("loading", rx.el.p(say("counts.loading"))),
            ("unreachable", rx.el.p(say("tier.unknown"))),
            rx.el.ul(
                rx.foreach(
                    event_view.tiers,
                    lambda tier: rx.el.li(
                        name(tier.name),
                        rx.el.span(rx.cond(tier.known, _left(tier), say("tier.unknown"))),
                        data_tier=tier.name,
                    ),
                )
            ),
        ),
        class_name="counts",
    )


def _skeleton() -> Ui:
    return rx.el.div(
        rx.el.span(class_name="bone bone-title"),
        rx.el.span(class_name="bone bone-stock"),
        rx.el.span(class_name="stub"),
        class_name="tier skeleton",
        aria_hidden="true",
    )


def _stepper(tier: rx.vars.ObjectVar[Tier]) -> Ui:
    """Return the controls of a tier's number of tickets in the basket."""

    def step(event: str, sign: str, label: str, at_end: Any) -> Ui:
        return rx.el.button(
            rx.el.span(sign, aria_hidden="true"),
            type="button",
            aria_label=say(label, tier=tier.name),
            disabled=at_end | checkout.sending | is_stale,
            on_click=action(event, tier.name),
        )

    return rx.el.span(
        step("remove", "\u2212", "quantity.fewer", tier.fewest),
        rx.el.output(number(tier.wanted), aria_live="polite"),
        step("add", "+", "quantity.more", tier.most),
        class_name="stepper",
        role="group",
        aria_label=say("quantity.of", tier=tier.name),
    )


def _best_tickets() -> Any:
    return say("summary.tickets", quantity=event_view.best_quantity, tier=event_view.best_tier)


def _limit() -> Any:
    """Return the text of the limit that the basket meets first."""
    most = event_view.limit
    of_booking = rx.cond(
        event_view.fewest_tickets > 1,
        say("quantity.range", fewest=event_view.fewest_tickets, most=most),
        say("quantity.limit", most=most),
    )
    of_person = rx.cond(event_view.tier_per_person, say("quantity.per_person", most=most), of_booking)
    left = rx.cond(event_view.scarce, say("tier.only_left", left=most, tier=event_view.changed_tier), of_person)
    return rx.cond(event_view.full, basket_at_limit(), rx.cond(event_view.tier_full, tier_at_limit(), left))


def basket_at_limit() -> Any:
    """Return the text about a basket with as many tickets as one booking, or all bookings of a buyer, can have."""
    most = event_view.most_tickets
    of_person = say("summary.at_limit.person", most=most)
    return rx.cond(event_view.per_person, of_person, say("summary.at_limit", most=most))


def tier_at_limit() -> Any:
    """Return the text about as many tickets of the tier that was changed last as its limit allows."""
    tier, most = event_view.changed_tier, event_view.tier_most
    of_person = say("tier.at_limit.person", most=most, tier=tier)
    return rx.cond(event_view.tier_per_person, of_person, say("tier.at_limit", most=most, tier=tier))


def limits() -> Ui:
    """Return the limit of a booking, and the button that picks the best seats of a tier."""
    return rx.el.div(
        rx.el.p(
            rx.cond(
                event_view.bookable | ((event_view.phase == "loading") & (event_view.event.name != "")),
                _limit(),
                "",
            ),
            class_name="small",
            role="status",
            data_reached=event_view.full | event_view.tier_full,
        ),
        rx.cond(
            (event_view.seated | (event_view.best_quantity > 0)) & event_view.may_have_map,
            rx.el.button(
                # The button names the seats that it picks. The seats that the visitor has picked stay.
                rx.el.span(
                    say("seats.best"),
                    rx.cond(event_view.best_quantity > 0, rx.fragment(": ", name(_best_tickets()))),
                ),
                type="button",
                on_click=action("pickBest"),
                disabled=(event_view.best_quantity == 0) | checkout.sending | ~event_view.has_map | is_stale,
                class_name="button best",
            ),
        ),
        class_name="field limits",
    )
