"""The checker: compares the responses of a run with the database, one invariant for each promise.

A request without a response may have either outcome. A response must be true. `test_checker.py` shows that each
invariant detects a false response.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from api.commands.audit import audit, report
from tests.faults import booking_invariants as booking
from tests.faults import system_invariants as system
from tests.faults.database_facts import read_facts
from tests.faults.evidence import Charge, Evidence
from tests.faults.history import History

SHOWN_MAX = 20
"""Limit of violations that a report shows per invariant."""

Invariant = Callable[[Evidence], Iterator[str]]
INVARIANTS: tuple[Invariant, ...] = (
    booking.acknowledged_bookings_exist,
    booking.orders_have_all_items,
    booking.cancelled_bookings_stay_cancelled,
    booking.prices_match_the_tier,
    booking.responses_of_a_reference_are_equal,
    booking.each_reference_has_one_order,
    booking.key_reused_is_true,
    booking.repeats_find_the_order,
    booking.refused_requests_create_no_order,
    booking.declined_orders_have_no_tickets,
    booking.sold_out_is_true,
    booking.all_held_is_true,
    booking.seat_taken_is_true,
    booking.buyer_limit_is_true,
    booking.cancellation_responses_are_true,
    booking.refusals_have_retry_after,
    system.no_ticket_has_two_owners,
    system.no_buyer_exceeds_the_limit,
    system.no_buyer_exceeds_the_tickets_per_buyer,
    system.rate_limited_is_true,
    system.availability_is_true,
    system.order_states_are_true,
    system.responses_arrive_in_time,
    system.payments_match_orders,
    system.charges_match_payments,
    system.nothing_stays_open,
    system.bookings_resume_after_every_fault,
)


class Violation(NamedTuple):
    """A broken invariant, with a description of the violation."""

    invariant: str
    description: str


def find_violations(evidence: Evidence) -> list[Violation]:
    """Return every violation of every invariant."""
    return [
        Violation(invariant.__name__, description) for invariant in INVARIANTS for description in invariant(evidence)
    ]


def check(
    history: History, database_url: str, event: str, *, limit: int = 0, charges: Sequence[Charge] | None = None
) -> list[Violation]:
    """Compare a history with its event's rows and the provider's charges, and run the audit."""
    evidence = Evidence(history, read_facts(database_url, event), limit=limit, charges=charges)
    violations = find_violations(evidence)
    if found := audit(database_url):
        violations.append(Violation("audit", report(found)))
    return violations


def describe(violations: Sequence[Violation]) -> str:
    """Format violations for people, with the first `SHOWN_MAX` of each invariant."""
    by_invariant: dict[str, list[str]] = defaultdict(list)
    for violation in violations:
        by_invariant[violation.invariant].append(violation.description)
    lines = []
    for invariant, descriptions in by_invariant.items():
        lines += [f"{invariant}: {len(descriptions)}", *(f"  {each}" for each in descriptions[:SHOWN_MAX])]
    return "\n".join(lines)
