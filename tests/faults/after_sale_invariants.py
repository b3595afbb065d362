"""Invariants of returned tickets, cancelled events and e-mails. Each yields one sentence per violation."""

from collections.abc import Callable, Iterator

from tests.faults.after_sale import Aftermath, RefundedOrder

TICKET_MINOR = 1000
"""The price of a ticket of the events in minor units."""
COPIES_MAX = 3
"""Upper bound on the copies of a message: the first one, and one for each crash of a worker that sends it."""

Invariant = Callable[[Aftermath], Iterator[str]]


def returned_tickets_are_refunded_once(aftermath: Aftermath) -> Iterator[str]:
    """A returned ticket is released, and its price was refunded by one refund of its own."""
    orders = {order.reference: order for order in aftermath.orders}
    for ticket in aftermath.returned:
        order = orders.get(ticket.reference)
        if order is None or ticket.booking_id in order.live or order.refunds.count(TICKET_MINOR) != _parts(order):
            yield f"{ticket}: {order}"


def _parts(order: RefundedOrder) -> int:
    """Return the number of refunds of one ticket that an order with one returned ticket has."""
    return 1 if order.status == "confirmed" else 2


def cancelled_events_have_no_money(aftermath: Aftermath) -> Iterator[str]:
    """A cancelled event's cancellation is finished, its orders have no tickets, and all of their charges went back."""
    for order in aftermath.orders:
        if order.event in aftermath.cancelled:
            returned = sum(order.refunds)
            charged = order.payment in {"captured", "refunding", "refunded"}
            if order.live or order.open_refunds or returned != (order.amount_minor if charged else 0):
                yield str(order)
    for event in sorted(set(aftermath.cancelled) - set(aftermath.finished)):
        yield f"the cancellation of {event} is not finished"


def provider_refunds_what_was_requested(aftermath: Aftermath) -> Iterator[str]:
    """The provider has refunded the same sum of each order as the database has recorded."""
    for order in aftermath.orders:
        if sum(order.refunds) != aftermath.refunded.get(order.reference, 0):
            yield f"{aftermath.refunded.get(order.reference, 0)} at the provider, but {order}"
    for reference in sorted(set(aftermath.refunded) - {order.reference for order in aftermath.orders}):
        yield f"the provider has refunded {reference}, which does not exist"


def changes_are_announced_once(aftermath: Aftermath) -> Iterator[str]:
    """Each confirmed order has a message, each refunded one has another, and no change has two."""
    for order in aftermath.orders:
        expected = {"confirmed"} if order.reference in aftermath.confirmed else set()
        if order.payment == "refunded":
            expected.add("refunded")
        if expected - set(order.announced) or len(order.announced) > len(set(order.announced)):
            yield str(order)


def mails_are_recognizable(aftermath: Aftermath) -> Iterator[str]:
    """Each e-mail belongs to a message, each sent message has an e-mail, and none is overdue."""
    known = {message.message_id: message for message in aftermath.messages}
    for message_id in sorted(set(aftermath.mails)):
        if message_id not in known or aftermath.mails.count(message_id) > COPIES_MAX:
            yield f"{aftermath.mails.count(message_id)} copies of {message_id}: {known.get(message_id)}"
    for message in aftermath.messages:
        lost = message.status == "sent" and message.message_id not in aftermath.mails
        if lost or message.overdue or message.status in {"bounced", "dead"}:
            yield str(message)


INVARIANTS: tuple[Invariant, ...] = (
    returned_tickets_are_refunded_once,
    cancelled_events_have_no_money,
    provider_refunds_what_was_requested,
    changes_are_announced_once,
    mails_are_recognizable,
)


def find_violations(aftermath: Aftermath) -> list[tuple[str, str]]:
    """Return the name of the broken invariant and a description of each violation."""
    return [(invariant.__name__, description) for invariant in INVARIANTS for description in invariant(aftermath)]
