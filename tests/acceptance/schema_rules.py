"""What requests must obey beyond what a schema can say, for the requests that Schemathesis makes up."""

from typing import Any, cast

import schemathesis

TICKETS = {"VIP": (1, 100), "Front Row": (101, 300), "GA": (301, 1300)}
"""The first and the last ticket of each tier of the built-in event."""


@schemathesis.hook
def map_case(_: schemathesis.HookContext, case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
    """Let a valid booking name tickets of its tier, as many as its quantity, and one key; half of them a real tier.

    To a schema 2.0 is a whole number too; this API takes none that is written so.
    """
    if case.operation.label == "POST /api/bookings" and case.meta and case.meta.generation.mode.is_positive:
        case.body = _booking(cast("dict[str, Any]", case.body), dict(case.headers or {}).get("Idempotency-Key"))
    return case


def _booking(body: dict[str, Any], key: str | None) -> dict[str, Any]:
    body = dict(body)
    body["quantity"] = int(body["quantity"])
    tiers = list(TICKETS)
    if body["tier"] not in tiers and len(body["userId"]) % 2:
        body["tier"] = tiers[len(body["tier"]) % len(tiers)]
    if named := body.get("ticketIds"):
        first, last = TICKETS.get(body["tier"], (1, 1300))
        body["ticketIds"] = sorted({first + int(number) % (last - first + 1) for number in named})
        body["quantity"] = len(body["ticketIds"])
    if key is not None and body.get("bookingReference") is not None:
        body["bookingReference"] = key.strip('"')
    return body
