"""Refusals of numbers of tickets that an event or one of its tiers does not allow in an order."""

from collections.abc import Iterator

from api.errors import ApiError, InvalidRequest
from api.services.bookings.model import NewOrder, Parts
from api.services.bookings.refusals import of_item
from api.services.order_rules import OrderRules


def refuse_quantity(request: NewOrder, parts: Parts) -> ApiError | None:
    """Return the error of a request with too many or too few tickets of its event or of a tier; otherwise None."""
    for item, quantity, rules, tier in _counts(request, parts):
        if fault := too_many(quantity, rules, tier) or too_few(quantity, rules, tier):
            error = InvalidRequest(fault, field=_field(request, item))
            return error if item is None else of_item(error, request, item)
    return None


def too_many(quantity: int, rules: OrderRules, tier: str | None = None) -> str | None:
    """Return the fault of a number of tickets above the maximum; `tier` is None if all tickets of an event count."""
    if quantity <= rules.tickets_max:
        return None
    return f"at most {_tickets(rules.tickets_max, tier, 'is', 'are')} possible in one booking"


def too_few(quantity: int, rules: OrderRules, tier: str | None = None) -> str | None:
    """Return the fault of a number of tickets below the minimum; `tier` is None if all tickets of an event count."""
    if quantity >= rules.tickets_min:
        return None
    return f"at least {_tickets(rules.tickets_min, tier, 'is', 'are')} necessary in one booking"


def _counts(request: NewOrder, parts: Parts) -> Iterator[tuple[int | None, int, OrderRules, str | None]]:
    """Return the item, the number of tickets, the rules and the tier, first of the event and then of each tier.

    The item of the event is None if the request has several items.
    """
    yield 0 if len(request.items) == 1 else None, request.quantity, parts[0].tier.event_rules, None
    for tier_id in dict.fromkeys(part.tier.tier_id for part in parts):
        of_tier = [part for part in parts if part.tier.tier_id == tier_id]
        tier = of_tier[0].tier
        yield of_tier[0].item, sum(part.quantity for part in of_tier), tier.rules, tier.tier


def _tickets(number: int, tier: str | None, singular: str, plural: str) -> str:
    noun = "ticket" if number == 1 else "tickets"
    return f"{number} {noun}{f' of {tier}' if tier else ''} {singular if number == 1 else plural}"


def _field(request: NewOrder, item: int | None) -> str:
    """Return the field of the body that contains a number of tickets."""
    if not request.itemized:
        return "quantity"
    if item is None:
        return "items"
    return f"items[{item}].{'ticketIds' if request.items[item].ticket_ids else 'quantity'}"
