"""Live availability: a thin wrapper around the browser's part (box_office.js) and typed vars for pages."""

from dataclasses import dataclass
from typing import Any

import reflex as rx
from reflex.vars import VarData
from reflex.vars.function import ArgsFunctionOperation, FunctionVar

_MODULE = "$/utils/box_office"
AVAILABILITY_PATH = "/api/tickets/availability"


@dataclass(frozen=True)
class Tier:
    """One tier as it stands; texts are in the visitor's locale."""

    name: str
    left: str
    total: str
    price: str
    percent: float
    sold_out: bool
    words: str


@dataclass(frozen=True)
class BoxOffice:
    """What the browser knows and what the visitor has chosen; computed in box_office.js."""

    phase: str
    """`loading`, `unreachable` (nothing was ever heard), `live` or `stale`."""
    age: str
    tiers: list[Tier]
    sold_out: bool
    tier: str
    tier_sold_out: bool
    next_best: str
    quantity: int
    fewest: bool
    most: bool
    limit: int
    total: str
    wait: str
    sending: bool
    unheard: bool
    locked: bool
    announcement: str
    copied: str


# Each component that uses the var brings the hook along, wherever the compiler places it.
# Typed for Reflex by `BoxOffice`; to mypy a var of an object has no attributes, hence Any.
box_office: Any = rx.Var(
    "boxOffice",
    _var_type=BoxOffice,
    _var_data=VarData(
        imports={_MODULE: [rx.ImportVar(tag="useBoxOffice")]},
        hooks={"const boxOffice = useBoxOffice();": None},
    ),
).guess_type()


class AvailabilityFeed(rx.Component):
    """Polls the API from the browser every two seconds while the tab is visible. Place it once on a page."""

    library = _MODULE
    tag = "AvailabilityFeed"

    path: rx.Var[str]
    """Where the counts are, below the API's public address."""
    sending: rx.Var[bool]
    """Whether the page's State is sending a booking."""
    turn: rx.Var[int]
    """Changes whenever the State has dealt with a click."""
    wait_s: rx.Var[int]
    """Seconds until another attempt makes sense; 0: now."""


def function(name: str) -> FunctionVar[Any]:
    """Return a function of box_office.js for use in a page."""
    return rx.Var(name, _var_data=VarData(imports={_MODULE: [rx.ImportVar(tag=name)]})).to(FunctionVar)


def action(name: str, *arguments: Any) -> Any:
    """Return an event that calls a function of box_office.js at once, whether or not the server hears."""
    call = ArgsFunctionOperation.create((), function(name).call(*arguments))
    return call.to(FunctionVar, rx.EventChain)


def money(amount: Any, currency: Any) -> Any:
    """Write an amount in the visitor's locale."""
    return function("money").call(amount, currency).to(str)


def when(time: Any) -> Any:
    """Write a time of the API in the visitor's locale and time zone."""
    return function("when").call(time).to(str)
