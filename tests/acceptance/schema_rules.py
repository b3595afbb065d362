"""Rules for the generated requests of Schemathesis that a JSON schema cannot express, and further checks."""

import re
from typing import Any, cast

import schemathesis

from api.services.order_rules import TICKETS_MAX

TICKETS = {"VIP": range(1, 101), "Front Row": range(101, 301), "GA": range(301, 1301)}
"""The ids of the tickets of each tier of the built-in event."""
ALL_TICKETS = range(1, 1301)
EXISTING_MAX = 4
"""The most tickets of one item that names an existing tier, so that many bookings succeed."""
BOOK = "POST /api/bookings"
BEST = "GET /api/tickets/best"


@schemathesis.hook
def map_case(_: schemathesis.HookContext, case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
    """Let half of the requests that match the document name a tier and tickets that exist."""
    if body := _valid_booking(case):
        case.body = existing(body)
    if _is_valid(case, BEST) and len(tier := case.query["tier"]) % 2:
        case.query["tier"] = list(TICKETS)[len(tier) % len(TICKETS)]
        case.query.pop("event", None)
    return case


def existing(body: dict[str, Any]) -> dict[str, Any]:
    """Return half of all bodies with an existing tier and, if they name tickets, with as many as their quantity.

    The schema does not know the data of the event.
    """
    if len(body["userId"]) % 2 == 0:
        return body
    if (items := body.get("items")) is None:
        return body | _existing_item(body)
    named: set[int] = set()
    existing_items = []
    for item in items:
        existing_item = _existing_item(item)
        ids = set(existing_item.get("ticketIds") or ())
        if not ids & named:  # The generator draws the tickets of each item by themselves.
            existing_items.append(existing_item)
            named |= ids
    return body | {"items": existing_items}


def _existing_item(item: dict[str, Any]) -> dict[str, Any]:
    tiers = list(TICKETS)
    tier = item.get("tier") or ""
    if tier not in TICKETS:
        tier = tiers[len(tier) % len(tiers)]
    if not (named := item.get("ticketIds")):
        return item | {"tier": tier, "quantity": min(item["quantity"], EXISTING_MAX)}
    ids = TICKETS[tier]
    chosen = sorted({ids[int(number) % len(ids)] for number in named})[:EXISTING_MAX]
    return item | {"tier": tier, "ticketIds": chosen, "quantity": len(chosen)}


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
    """Assert that a body that matches the schema gets 400 only if its tickets contradict their number or their tier."""
    if not (body := _valid_booking(case)):
        return
    contradictions, foreign = _faults(body)
    if response.status_code == 400:
        (fault,) = response.json()["errors"]
        assert fault["field"] in contradictions | foreign, fault
    else:
        assert not contradictions, contradictions


def _faults(body: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the fields that contradict each other, and those with tickets outside of their tier or the event."""
    entries = body.get("items")
    items = {"": body} if entries is None else {f"items[{number}].": item for number, item in enumerate(entries)}
    named = {path: item.get("ticketIds") or [] for path, item in items.items()}
    quantities = {path: item.get("quantity") or len(named[path]) for path, item in items.items()}
    contradictions = {f"{path}ticketIds" for path, ids in named.items() if ids and len(ids) != quantities[path]}
    earlier: set[int] = set()
    for path, ids in named.items():
        if earlier.intersection(ids):
            contradictions.add(f"{path}ticketIds")
        earlier.update(ids)
    if sum(quantities.values()) > TICKETS_MAX:
        contradictions.add("items")
    foreign = {
        f"{path}ticketIds"
        for path, item in items.items()
        if not set(named[path]) <= set(TICKETS.get(item["tier"], ()) if item.get("tier") else ALL_TICKETS)
    }
    return contradictions, foreign


def _valid_booking(case: schemathesis.Case[Any]) -> dict[str, Any] | None:
    """Return the body of a booking that matches the document; None for any other case."""
    return cast("dict[str, Any]", case.body) if _is_valid(case, BOOK) else None


def _is_valid(case: schemathesis.Case[Any], operation: str) -> bool:
    """Return whether a case is a request to an operation that matches the document."""
    return case.operation.label == operation and case.meta is not None and case.meta.generation.mode.is_positive
