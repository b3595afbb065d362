"""Rules for the generated requests of Schemathesis that a JSON schema cannot express, and a further check."""

import re
from typing import Any, cast

import schemathesis

TICKETS = {"VIP": (1, 100), "Front Row": (101, 300), "GA": (301, 1300)}
"""The ids of the first and last ticket of each tier of the built-in event."""


@schemathesis.hook
def map_case(_: schemathesis.HookContext, case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
    """Make a booking from a valid body valid for the API as well."""
    if case.operation.label == "POST /api/bookings" and case.meta and case.meta.generation.mode.is_positive:
        case.body = valid_booking(cast("dict[str, Any]", case.body))
    return case


def valid_booking(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with tickets of its tier, as many as its quantity. Half of the tiers exist."""
    body = dict(body)
    tiers = list(TICKETS)
    if body["tier"] not in tiers and len(body["userId"]) % 2:
        body["tier"] = tiers[len(body["tier"]) % len(tiers)]
    if named := body.get("ticketIds"):
        first, last = TICKETS.get(body["tier"], (1, 1300))
        body["ticketIds"] = sorted({first + int(number) % (last - first + 1) for number in named})
        body["quantity"] = len(body["ticketIds"])
    return body


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
