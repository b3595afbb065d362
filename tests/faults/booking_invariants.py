"""Invariants of bookings: acknowledged bookings exist, a reference has one order, and refusals are true.

Each invariant yields one sentence per violation.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from api.money import to_major
from tests.faults.database_facts import FOREVER, BookingFact, Bounds, OrderFact
from tests.faults.evidence import ACKNOWLEDGED, Evidence, booking_request, overlaps, processing_start, refused_tier
from tests.faults.history import BookingRequest, Entry

# --- Acknowledged bookings are durable and complete -------------------------------------------------------


def acknowledged_bookings_exist(evidence: Evidence) -> Iterator[str]:
    """Each acknowledged booking is in the database and equals its response."""
    for entry in evidence.responded("book"):
        if entry.status in ACKNOWLEDGED:
            order = evidence.orders.get(entry.reference)
            if order is None:
                yield f"lost: {entry}"
            elif difference := _difference(entry, order, evidence.bookings[order.id]):
                yield f"{difference}: {entry}, {order}"


def _difference(entry: Entry, order: OrderFact, bookings: Sequence[BookingFact]) -> str | None:
    """Name the fields in which a response differs from its request or its order."""
    content, request = entry.content, booking_request(entry)
    total = to_major(order.total_minor, order.currency)
    pairs = {
        "buyer": (order.user_id, request.user_id),
        "quantity": ((order.quantity, len(bookings)), (request.quantity, request.quantity)),
        "tickets": (_has_tickets(request, bookings), True),
        "status": (content["status"], ACKNOWLEDGED[entry.status]),
        "reference": (content["reference"], order.reference),
        "total": ((content["total"], content["currency"]), (total, order.currency)),
        "bookings": (
            [_response_fields(booking) for booking in content["bookings"]],
            [_fact_fields(booking, order) for booking in bookings],
        ),
    }
    different = [field for field, (one, other) in pairs.items() if one != other]
    return f"different {', '.join(different)}" if different else None


def _response_fields(booking: dict[str, Any]) -> tuple[Any, ...]:
    names = ("id", "bookingReference", "ticketId", "tier", "price", "row", "seat", "userId")
    return tuple(booking[name] for name in names)


def _fact_fields(booking: BookingFact, order: OrderFact) -> tuple[Any, ...]:
    return (
        booking.id,
        f"{order.reference}-{booking.line}",
        booking.ticket_id,
        booking.tier,
        to_major(booking.price_minor, order.currency),
        booking.row_label,
        booking.seat_number,
        order.user_id,
    )


def orders_have_all_items(evidence: Evidence) -> Iterator[str]:
    """An order has the tickets of all items of one of its requests, and they are live or released together.

    Only an order that was declined within its request never had tickets.
    """
    for order in evidence.facts.orders:
        bookings = evidence.bookings[order.id]
        requests = [entry.request for entry in evidence.by_reference.get(order.reference, [])]
        complete = any(
            request and request.user_id == order.user_id and _has_tickets(request, bookings) for request in requests
        )
        live = {booking.live for booking in bookings}
        if not (complete or (not bookings and order.status == "declined")):
            yield f"incomplete: {order}, {bookings}"
        elif live - {order.status in {"pending", "confirmed"}}:
            yield f"live and released tickets: {order}, {bookings}"


def _has_tickets(request: BookingRequest, bookings: Sequence[BookingFact]) -> bool:
    """Return True if bookings have the chosen seats of a request, and as many tickets of each tier as it requests."""
    return Counter(booking.tier for booking in bookings) == Counter(request.tiers) and {
        booking.ticket_id for booking in bookings
    }.issuperset(request.ticket_ids)


def cancelled_bookings_stay_cancelled(evidence: Evidence) -> Iterator[str]:
    """An order with an acknowledged cancellation is cancelled and has no live booking."""
    for entry in evidence.responded("cancel"):
        if entry.status == 200 and not _has_no_tickets(evidence, entry, "cancelled"):
            yield f"{entry}, {evidence.orders.get(entry.reference)}"


def declined_orders_have_no_tickets(evidence: Evidence) -> Iterator[str]:
    """A response 402 belongs to a declined order without a live booking."""
    for entry in evidence.responded("book"):
        if entry.status == 402 and not _has_no_tickets(evidence, entry, "declined"):
            yield f"{entry}, {evidence.orders.get(entry.reference)}"


def _has_no_tickets(evidence: Evidence, entry: Entry, status: str) -> bool:
    order = evidence.orders.get(entry.reference)
    return (
        order is not None
        and order.status == status
        and not any(booking.live for booking in evidence.bookings[order.id])
    )


def prices_match_the_tier(evidence: Evidence) -> Iterator[str]:
    """Each ticket has its tier's price, and an order's total is the sum of its tickets."""
    for order in evidence.facts.orders:
        bookings = evidence.bookings[order.id]
        if any(booking.price_minor != evidence.prices[booking.tier] for booking in bookings):
            yield f"different price: {order}"
        if bookings and sum(booking.price_minor for booking in bookings) != order.total_minor:
            yield f"different total: {order}"


# --- One reference, one order -----------------------------------------------------------------------------


def responses_of_a_reference_are_equal(evidence: Evidence) -> Iterator[str]:
    """All responses with the order of a reference are equal, and at most one is not a replay."""
    for reference, entries in evidence.by_reference.items():
        decided = [entry for entry in entries if entry.status in {*ACKNOWLEDGED, 402}]
        if len({(entry.status, entry.body) for entry in decided}) > 1:
            yield f"{reference}: " + " | ".join(f"{entry.status} {entry.body.decode()}" for entry in decided)
        if sum(not entry.replayed for entry in decided) > 1:
            yield f"{reference} was booked again: " + ", ".join(map(str, decided))


def each_reference_has_one_order(evidence: Evidence) -> Iterator[str]:
    """No reference has two orders, and every order has a matching request."""
    references = [order.reference for order in evidence.facts.orders]
    if len(references) != len(evidence.orders):
        yield f"{len(references)} orders have {len(evidence.orders)} references"
    for order in evidence.facts.orders:
        requests = [entry.request for entry in evidence.by_reference.get(order.reference, [])]
        if not any(request and _same_buyer_and_quantity(order, request) for request in requests):
            yield f"no request matches {order}"


def key_reused_is_true(evidence: Evidence) -> Iterator[str]:
    """Only requests that differ from the order of their reference get `key_reused`."""
    for entry in evidence.responded("book"):
        order = evidence.orders.get(entry.reference)
        if entry.status == 422 and (order is None or _certainly_created(order, booking_request(entry), evidence)):
            yield f"{entry}, {order}"


def _certainly_created(order: OrderFact, request: BookingRequest, evidence: Evidence) -> bool:
    """Return True if only this request of the reference can have created the order."""
    others = [entry.request for entry in evidence.by_reference[order.reference]]
    if any(_same_buyer_and_quantity(order, other) for other in others if other and other.content != request.content):
        return False
    return _same_buyer_and_quantity(order, request)


def _same_buyer_and_quantity(order: OrderFact, request: BookingRequest) -> bool:
    return (request.user_id, request.quantity) == (order.user_id, order.quantity)


def repeats_find_the_order(evidence: Evidence) -> Iterator[str]:
    """After a response with its order, a reference gets no refusal that implies that the order does not exist."""
    for entries in evidence.by_reference.values():
        known_at = min((e.end for e in entries if e.status in {*ACKNOWLEDGED, 402}), default=FOREVER)
        for entry in entries:
            if entry.start > known_at and entry.status in {409, 429}:
                yield f"{entry}, known since {known_at:.3f}"


# --- Refusals are true ------------------------------------------------------------------------------------


def refused_requests_create_no_order(evidence: Evidence) -> Iterator[str]:
    """A reference has no order if every response reports that its request created none."""
    for reference, entries in evidence.by_reference.items():
        if reference in evidence.orders and all(_created_nothing(entry) for entry in entries):
            yield f"{evidence.orders[reference]}: " + ", ".join(map(str, entries))


def _created_nothing(entry: Entry) -> bool:
    """Return True if a response reports that its request created no order."""
    return entry.status in {409, 429} or _changed_nothing(entry)


def sold_out_is_true(evidence: Evidence) -> Iterator[str]:
    """At some moment of a `sold_out` request too few tickets were unsold and `available` tickets were available."""
    for entry, request in evidence.bookings_with_code("sold_out"):
        available, needed = entry.content["available"], _needed(entry)
        moments = _bounds_during(evidence, entry)
        if available >= needed or not any(
            bounds.unsold_min < needed and bounds.available_min <= available <= bounds.available_max
            for bounds in moments
        ):
            yield f"{entry}: {available} for {request}, but {moments}"


def all_held_is_true(evidence: Evidence) -> Iterator[str]:
    """At some moment of an `all_held` request enough tickets were unsold, but too few were available."""
    for entry, request in evidence.bookings_with_code("all_held"):
        moments = _bounds_during(evidence, entry)
        if not any(bounds.available_min < _needed(entry) <= bounds.unsold_max for bounds in moments):
            yield f"{entry}: {request}, but {moments}"


def seat_taken_is_true(evidence: Evidence) -> Iterator[str]:
    """`seat_taken` names requested tickets that another order owned at some moment of the request."""
    for entry, request in evidence.bookings_with_code("seat_taken"):
        began = processing_start(evidence, entry)
        for ticket_id in entry.content["ticketIds"]:
            owned_by_others = any(
                reference != entry.reference and state.from_earliest <= entry.end and began <= state.to_latest
                for reference, state in evidence.owners[ticket_id]
            )
            if ticket_id not in request.ticket_ids or not owned_by_others:
                yield f"{entry}: ticket {ticket_id}"


def buyer_limit_is_true(evidence: Evidence) -> Iterator[str]:
    """At some moment of a `buyer_limit` request its buyer could book `remaining` more tickets, and needed more."""
    for entry, request in evidence.bookings_with_code("buyer_limit"):
        tier, remaining = refused_tier(entry), entry.content["remaining"]
        allowance = evidence.allowances.get(request.user_id)
        began = processing_start(evidence, entry)
        moments = [bounds[tier] for bounds in allowance.between(began, entry.end)] if allowance else []
        if remaining >= _needed(entry) or not any(
            bounds.available_min <= remaining <= max(0, bounds.available_max) for bounds in moments
        ):
            yield f"{entry}: {remaining} for {request}, but {moments}"


def _needed(entry: Entry) -> int:
    """Return the number of tickets that a refused request needs of the tier that the refusal names."""
    return booking_request(entry).tiers.count(refused_tier(entry))


def _bounds_during(evidence: Evidence, entry: Entry) -> list[Bounds]:
    """Return the bounds on the tickets of a refused request's tier at each moment of the request."""
    tier = refused_tier(entry)
    return [bounds[tier] for bounds in evidence.stock.between(processing_start(evidence, entry), entry.end)]


def cancellation_responses_are_true(evidence: Evidence) -> Iterator[str]:
    """A cancellation fails only for another buyer, a missing order, or a declined or expired order.

    After a failure the order is cancelled only if another request can have cancelled it.
    """
    for entry in evidence.responded("cancel"):
        order, states = evidence.orders.get(entry.reference), evidence.states.get(entry.reference, [])
        own = order is not None and order.user_id == entry.user_id
        over = any(state.status in {"declined", "expired"} and overlaps(state, entry) for state in states)
        true = {
            200: own,
            403: order is not None and not own,
            404: not states or entry.start <= states[0].from_latest,
            409: own and over,
        }
        if not true.get(entry.status, True) or (_changed_nothing(entry) and _only_canceller(evidence, entry)):
            yield f"{entry} by {entry.user_id}, {order}, {states}"


def _only_canceller(evidence: Evidence, entry: Entry) -> bool:
    """Return True if the order of a cancellation is cancelled and no other request can have cancelled it."""
    began = [state.from_latest for state in evidence.states.get(entry.reference, []) if state.status == "cancelled"]
    return bool(began) and not any(
        other.start <= began[0] and not (other.status in {403, 404, 409} or _changed_nothing(other))
        for other in evidence.cancellations[entry.reference]
        if other is not entry
    )


def _changed_nothing(entry: Entry) -> bool:
    """Return True if a response 503 reports that its request changed nothing."""
    return entry.status == 503 and not entry.content.get("unknown", False)


def refusals_have_retry_after(evidence: Evidence) -> Iterator[str]:
    """503, 429 and `all_held` carry Retry-After."""
    for entry in evidence.responded("book", "order", "cancel", "availability"):
        if (entry.status in {429, 503} or entry.code == "all_held") and not entry.retry_after:
            yield str(entry)
