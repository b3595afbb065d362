"""Invariants of the system: ownership, limits, freshness, bounded waiting, money and recovery.

Each invariant yields one sentence per violation.
"""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.database_facts import FOREVER
from tests.faults.evidence import Charge, Evidence, overlaps, processing_start
from tests.faults.history import Entry, Fault

RESPONSE_MAX_S = 10.0
"""Upper bound on a response's time: several times the API's own bound, for a busy machine."""
AGE_MAX_S = 1.0
"""Upper bound on an availability's age at the start of its request."""
AS_OF_STEP_S = 0.001
"""X-As-Of is rounded down to milliseconds."""
WINDOW_S = 60.0
"""The window of the limit per buyer."""
AFTERMATH_S = 5.0
"""Time after a fault during which requests may stay without a response, because clients find dead connections."""

_ALLOWED = {
    "book": {201, 202, 402, 409, 422, 429, 503},
    "order": {200, 404, 429, 503},
    "cancel": {200, 403, 404, 409, 429, 503},
    "availability": {200, 429, 503},
}


# --- One ticket, one owner --------------------------------------------------------------------------------


def no_ticket_has_two_owners(evidence: Evidence) -> Iterator[str]:
    """No ticket has two live bookings, and no two orders certainly owned a ticket at the same moment."""
    live: dict[int, int] = {}
    for booking in evidence.facts.bookings:
        if booking.live and live.setdefault(booking.ticket_id, booking.order_id) != booking.order_id:
            yield f"ticket {booking.ticket_id} is live in orders {live[booking.ticket_id]} and {booking.order_id}"
    for ticket_id, owners in evidence.owners.items():
        spans = [(state.from_latest, state.to_earliest, reference) for reference, state in owners]
        ended, owner = 0.0, ""
        for start, end, reference in sorted(span for span in spans if span[0] < span[1]):
            if start < ended and reference != owner:
                yield f"ticket {ticket_id}: {reference} owned it from {start:.3f}, {owner} until {ended:.3f}"
            ended, owner = max((ended, owner), (end, reference))


# --- Limits, freshness, bounded waiting -------------------------------------------------------------------


def no_buyer_exceeds_the_limit(evidence: Evidence) -> Iterator[str]:
    """No buyer has more orders than the limit in any minute."""
    if not evidence.limit:
        return
    for user_id, times in _times_by_user(evidence).items():
        for first, last in zip(times, times[evidence.limit :], strict=False):
            if last - first < WINDOW_S:
                yield f"{user_id}: {evidence.limit + 1} orders from {first:.3f} to {last:.3f}"


def no_buyer_exceeds_the_tickets_per_buyer(evidence: Evidence) -> Iterator[str]:
    """No buyer certainly had more tickets of a tier at a moment than the tier allows."""
    for user_id, allowance in evidence.allowances.items():
        for bounds in allowance.between(0, FOREVER):
            if any(of_tier.available_max < 0 for of_tier in bounds.values()):
                yield f"{user_id}: {bounds}, limits {evidence.tickets_per_buyer}"


def rate_limited_is_true(evidence: Evidence) -> Iterator[str]:
    """A booking gets `rate_limited` only if its buyer reached the limit within the minute before a moment of it."""
    times = _times_by_user(evidence)
    for entry, request in evidence.bookings_with_code("rate_limited"):
        began = processing_start(evidence, entry)
        recent = [at for at in times[request.user_id] if began - WINDOW_S < at <= entry.end]
        if not evidence.limit or len(recent) < evidence.limit:
            yield f"{entry}: {request.user_id} has {len(recent)} orders"


def _times_by_user(evidence: Evidence) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    for order in evidence.facts.orders:
        times[order.user_id].append(order.created_at)
    for each in times.values():
        each.sort()
    return times


def availability_is_true(evidence: Evidence) -> Iterator[str]:
    """An availability is at most a second old at the request's start, and its counts were true at one moment."""
    for entry in evidence.responded("availability"):
        if entry.status == 200:
            if not entry.start - AGE_MAX_S - AS_OF_STEP_S <= entry.as_of <= entry.end:
                yield f"{entry} as of {entry.as_of:.3f}"
                continue
            counts = {tier: response["available"] for tier, response in entry.content.items()}
            moments = list(evidence.stock.between(entry.as_of, entry.end))
            if counts.keys() != evidence.prices.keys() or not any(
                all(m[tier].available_min <= count <= m[tier].available_max for tier, count in counts.items())
                for m in moments
            ):
                yield f"{entry} as of {entry.as_of:.3f}: {counts}, but from {moments[0]} to {moments[-1]}"


def order_states_are_true(evidence: Evidence) -> Iterator[str]:
    """An order response shows a state of the order during the request, or 404 before the order existed."""
    for entry in evidence.responded("order"):
        states = evidence.states.get(entry.reference, [])
        if entry.status == 404 and states and entry.start > states[0].from_latest:
            yield f"{entry}, but {states}"
        if entry.status == 200 and not any(
            state.status == entry.content["status"] and overlaps(state, entry) for state in states
        ):
            yield f"{entry} shows {entry.content['status']}, but {states}"


def responses_arrive_in_time(evidence: Evidence) -> Iterator[str]:
    """Every request gets an allowed response in bounded time, unless a fault hits its connection or process."""
    for entry in evidence.history.entries:
        late = not entry.status or entry.end - entry.start > RESPONSE_MAX_S
        if late and not any(_excuses(fault, entry) for fault in evidence.history.faults):
            yield str(entry)
        if entry.status and entry.status not in _ALLOWED[entry.kind]:
            yield f"{entry}: {entry.body.decode(errors='replace')}"


def _excuses(fault: Fault, entry: Entry) -> bool:
    return (
        fault.loses_responses
        and fault.start <= entry.end
        and entry.start <= max(fault.end, fault.recovered or 0) + AFTERMATH_S
    )


# --- Money and recovery -----------------------------------------------------------------------------------


def payments_match_orders(evidence: Evidence) -> Iterator[str]:
    """An order's payment has the order's total and a final state that matches the order's state."""
    settled = {"confirmed": {"captured"}, "declined": {"declined"}, "cancelled": {"refunded", "void", "declined"}}
    settled["expired"] = settled["cancelled"]
    for order in evidence.facts.orders:
        if order.payment not in settled.get(order.status, {"pending"}) or order.amount_minor != order.total_minor:
            yield str(order)


def charges_match_payments(evidence: Evidence) -> Iterator[str]:
    """The provider has one charge per paid order, with the order's total and the payment's state."""
    if evidence.charges is None:
        return
    matching = {"captured": {"captured"}, "refunded": {"refunded"}, "declined": {"declined", "void"}}
    charges: dict[str, Charge] = {}
    for charge in evidence.charges:
        order = evidence.orders.get(charge.reference)
        if order is None or charge.reference in charges:
            yield f"{charge} has no order, or its order has another charge"
        elif (charge.amount, charge.currency) != (order.total_minor, order.currency):
            yield f"{charge} has a different amount than {order}"
        elif order.payment not in matching.get(charge.status, set()):
            yield f"{charge} has a different state than {order}"
        charges[charge.reference] = charge
    for order in evidence.facts.orders:
        if order.payment in matching and order.reference not in charges:
            yield f"the provider has no charge for {order}"


def nothing_stays_open(evidence: Evidence) -> Iterator[str]:
    """No hold is overdue, and no payment or webhook is open."""
    for order in evidence.facts.orders:
        if order.overdue:
            yield f"overdue: {order}"
    for tier in evidence.facts.tiers:
        if tier.overdue:
            yield f"overdue tickets: {tier}"
    if evidence.facts.open_payments or evidence.facts.open_webhooks:
        yield f"{evidence.facts.open_payments} payments and {evidence.facts.open_webhooks} webhooks are open"


def bookings_resume_after_every_fault(evidence: Evidence) -> Iterator[str]:
    """After each fault the API acknowledged a booking again."""
    for fault in evidence.history.faults:
        if fault.recovered is None:
            yield str(fault)
