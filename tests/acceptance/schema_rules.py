"""Rules for the generated requests of Schemathesis that a JSON schema cannot express, and further checks."""

import re
from typing import Any, cast

import schemathesis

TICKETS = {"VIP": range(1, 101), "Front Row": range(101, 301), "GA": range(301, 1301)}
"""The ids of the tickets of each tier of the built-in event."""
BOOK = "POST /api/bookings"


@schemathesis.hook
def map_case(_: schemathesis.HookContext, case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
    """Let half of the bookings that match the document name a tier and tickets that exist."""
    if body := _valid_booking(case):
        case.body = existing(body)
    return case


def existing(body: dict[str, Any]) -> dict[str, Any]:
    """Return half of all bodies with an existing tier and, if they name tickets, with as many as their quantity.

    The schema does not know the data of the event.
    """
    if len(body["userId"]) % 2 == 0:
        return body
    tiers = list(TICKETS)
    tier = body["tier"] if body["tier"] in TICKETS else tiers[len(body["tier"]) % len(tiers)]
    if not (named := body.get("ticketIds")):
        return body | {"tier": tier}
    ids = TICKETS[tier]
    chosen = sorted({ids[int(number) % len(ids)] for number in named})
    return body | {"tier": tier, "ticketIds": chosen, "quantity": len(chosen)}


@schemathesis.check
def refusal_is_documented(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Assert that the description of the status lists the code of a refusal."""
    if response.status_code < 400 or case.operation.path.startswith("/health"):
        return
    documented = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    code = response.json()["code"]
    if code != "method_not_allowed":  # No operation of the document has the method.
        assert re.search(rf"^`{code}`: ", documented.get("description", ""), re.MULTILINE), code


@schemathesis.check
def valid_booking_is_refused_for_its_tickets_only(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Assert that a body that matches the schema gets 400 only if its tickets contradict its quantity or its tier."""
    if not (body := _valid_booking(case)):
        return
    named = body.get("ticketIds") or []
    if response.status_code == 400:
        faults = response.json()["errors"]
        assert [fault["field"] for fault in faults] == ["ticketIds"], faults
        assert len(named) != body["quantity"] or not set(named) <= set(TICKETS.get(body["tier"], ())), faults
    else:
        assert not named or len(named) == body["quantity"], "the number of tickets contradicts the quantity"


def _valid_booking(case: schemathesis.Case[Any]) -> dict[str, Any] | None:
    """Return the body of a booking that matches the document; None for any other case."""
    matches = case.operation.label == BOOK and case.meta is not None and case.meta.generation.mode.is_positive
    return cast("dict[str, Any]", case.body) if matches else None
