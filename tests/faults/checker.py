"""The checker: holds what clients were told against what became of it, one invariant for each promise.

A response that never came may mean either outcome. A response that came must be true. Each invariant yields its
violations as sentences. `test_checker.py` shows that each invariant detects a false response.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from api.commands.audit import audit, report
from api.schemas import to_major
from tests.faults.database_facts import FOREVER, BookingFact, Facts, OrderFact, Period, Stock, periods, read_facts
from tests.faults.history import Entry, Fault, History

ANSWER_MAX_S = 10.0
"""The longest that an answer may take: several times what the API itself allows, on a busy machine."""
AGE_MAX_S = 1.0
"""The oldest that an availability may be when it is asked for."""
AS_OF_STEP_S = 0.001
"""An availability says in whole milliseconds when it was true, rounded down."""
WINDOW_S = 60.0
"""The time in which a buyer may make `limit` bookings."""
AFTERMATH_S = 5.0
"""How long after a fault requests may still go without an answer: connections that it hit are found dead."""
RUNS_ON_S = 5.0
"""How long a booking may still run in the API after its client has lost the connection."""
SHOWN_MAX = 20
"""The violations of a invariant that are shown."""

_BOOKED = {201: "confirmed", 202: "pending"}
_ALLOWED = {
    "book": {201, 202, 402, 409, 422, 429, 503},
    "order": {200, 404, 429, 503},
    "cancel": {200, 403, 404, 409, 429, 503},
    "availability": {200, 429, 503},
}


class Charge(msgspec.Struct, frozen=True):
    """What the payment provider's ledger says of a reference."""

    reference: str
    amount: int
    currency: str
    status: str


class Violation(NamedTuple):
    """A promise that was broken, and how."""

    invariant: str
    what: str


class Evidence:
    """All that invariants look at, in the order in which they look it up."""

    def __init__(
        self, history: History, facts: Facts, *, limit: int = 0, ledger: Sequence[Charge] | None = None
    ) -> None:
        self.history = history
        self.facts = facts
        self.limit = limit
        self.ledger = ledger
        self.orders = {order.reference: order for order in facts.orders}
        self.prices = {tier.name: tier.price_minor for tier in facts.tiers}

    def answered(self, *kinds: str) -> Iterator[Entry]:
        return (entry for entry in self.history.entries if entry.status and entry.kind in kinds)

    @cached_property
    def by_key(self) -> dict[str, list[Entry]]:
        """The booking requests of each key."""
        entries: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.history.entries:
            if entry.kind == "book":
                entries[entry.key].append(entry)
        return entries

    @cached_property
    def lines(self) -> dict[int, list[BookingFact]]:
        """The bookings of each order."""
        lines: dict[int, list[BookingFact]] = defaultdict(list)
        for booking in self.facts.bookings:
            lines[booking.order_id].append(booking)
        return lines

    @cached_property
    def states(self) -> dict[str, list[Period]]:
        """The states of each order, by its reference."""
        seen: dict[str, dict[str, float]] = defaultdict(dict)
        for entry in self.answered("book", "order", "cancel"):
            if status := _status_told(entry):
                seen[entry.key][status] = min(entry.end, seen[entry.key].get(status, FOREVER))
        events = defaultdict(list)
        for event in self.facts.events:
            events[event.order_id].append(event)
        return {
            order.reference: periods(events[order.id], seen[order.reference]) if events[order.id] else []
            for order in self.facts.orders
        }

    @cached_property
    def stock(self) -> Stock:
        return Stock(
            self.facts.tiers,
            ((o.tier, o.quantity, self.states[o.reference]) for o in self.facts.orders if o.tier),
        )

    @cached_property
    def holders(self) -> dict[int, list[tuple[str, Period]]]:
        """The references that had each ticket, with the state in which they had it."""
        holders: dict[int, list[tuple[str, Period]]] = defaultdict(list)
        for order in self.facts.orders:
            had = [state for state in self.states[order.reference] if state.status in {"pending", "confirmed"}]
            for line in self.lines[order.id]:
                holders[line.ticket_id] += [(order.reference, state) for state in had]
        return holders


def _status_told(entry: Entry) -> str | None:
    """Return the state that an answer shows its order in."""
    if entry.kind == "book":
        return "declined" if entry.status == 402 else _BOOKED.get(entry.status)
    return str(entry.content["status"]) if entry.status == 200 else None


def _made_nothing(entry: Entry) -> bool:
    """Whether an answer says that its request has booked nothing, and that a repeat may."""
    if entry.status in {409, 429}:
        return True
    return entry.status == 503 and "not known" not in entry.content["message"]


# --- A 2xx is durable, and whole --------------------------------------------------------------------------


def acknowledged_bookings_are_there(evidence: Evidence) -> Iterator[str]:
    """Each acknowledged booking is in the database, as it was answered."""
    for entry in evidence.answered("book"):
        if entry.status in _BOOKED:
            order = evidence.orders.get(entry.key)
            if order is None:
                yield f"lost: {entry}"
            elif complaint := _differs(entry, order, evidence.lines[order.id]):
                yield f"{complaint}: {entry}, {order}"


def _differs(entry: Entry, order: OrderFact, lines: Sequence[BookingFact]) -> str | None:
    """Say in what an answer differs from what was asked for or from its order."""
    told, wanted = entry.content, entry.wanted
    assert wanted is not None
    pairs = {
        "buyer": (order.user_id, wanted.user_id),
        "quantity": ((order.quantity, len(lines)), (wanted.quantity, wanted.quantity)),
        "tickets": ({line.ticket_id for line in lines} if wanted.ticket_ids else set(), set(wanted.ticket_ids)),
        "tier": ({line.tier for line in lines}, {wanted.tier}),
        "status": (told["status"], _BOOKED[entry.status]),
        "reference": (told["reference"], order.reference),
        "total": ((told["total"], told["currency"]), (to_major(order.total_minor, order.currency), order.currency)),
        "bookings": ([_line_told(each) for each in told["bookings"]], [_line(each, order) for each in lines]),
    }
    wrong = [what for what, (one, other) in pairs.items() if one != other]
    return f"another {', '.join(wrong)}" if wrong else None


def _line_told(told: dict[str, Any]) -> tuple[Any, ...]:
    names = ("id", "bookingReference", "ticketId", "tier", "price", "row", "seat", "userId")
    return tuple(told[name] for name in names)


def _line(line: BookingFact, order: OrderFact) -> tuple[Any, ...]:
    price = to_major(line.price_minor, order.currency)
    reference = f"{order.reference}-{line.line}"
    return line.id, reference, line.ticket_id, line.tier, price, line.row_label, line.seat_number, order.user_id


def cancelled_bookings_stay_cancelled(evidence: Evidence) -> Iterator[str]:
    """An order whose cancelling was acknowledged is cancelled, and its tickets are given back."""
    for entry in evidence.answered("cancel"):
        if entry.status == 200:
            order = evidence.orders.get(entry.key)
            if order is None or order.status != "cancelled" or any(line.live for line in evidence.lines[order.id]):
                yield f"{entry}, {order}"


def prices_are_those_of_the_tier(evidence: Evidence) -> Iterator[str]:
    """Each ticket costs what its tier does, and an order the sum of its tickets."""
    for order in evidence.facts.orders:
        lines = evidence.lines[order.id]
        if any(line.price_minor != evidence.prices[line.tier] for line in lines):
            yield f"another price: {order}"
        if lines and sum(line.price_minor for line in lines) != order.total_minor:
            yield f"another total: {order}"


# --- One key, one order -----------------------------------------------------------------------------------


def answers_of_a_key_are_equal(evidence: Evidence) -> Iterator[str]:
    """All answers of a key that tell of its order are the same, and at most one says that it is the first."""
    for key, entries in evidence.by_key.items():
        told = [entry for entry in entries if entry.status in {*_BOOKED, 402}]
        if len({(entry.status, entry.body) for entry in told}) > 1:
            yield f"{key}: " + " | ".join(f"{entry.status} {entry.body.decode()}" for entry in told)
        if sum(not entry.replayed for entry in told) > 1:
            yield f"{key} was booked anew: " + ", ".join(map(str, told))


def each_key_has_one_order(evidence: Evidence) -> Iterator[str]:
    """No key has two orders, and no order is without a request."""
    references = [order.reference for order in evidence.facts.orders]
    if len(references) != len(evidence.orders):
        yield f"{len(references)} orders have {len(evidence.orders)} references"
    for order in evidence.facts.orders:
        asked = [entry.wanted for entry in evidence.by_key.get(order.reference, [])]
        if not any(wanted and (wanted.user_id, wanted.quantity) == (order.user_id, order.quantity) for wanted in asked):
            yield f"nobody asked for {order}"


def a_key_is_refused_only_to_another_body(evidence: Evidence) -> Iterator[str]:
    """`key_reused` is said exactly to the requests that differ from the one that made the key's order."""
    for entry in evidence.answered("book"):
        order, wanted = evidence.orders.get(entry.key), entry.wanted
        assert wanted is not None
        if entry.status == 422 and (order is None or _made(order, wanted, evidence)):
            yield f"{entry}, {order}"


def _made(order: OrderFact, wanted: Any, evidence: Evidence) -> bool:
    """Whether an order is certainly that of this request, as far as the key's requests can be told apart."""
    others = {entry.wanted for entry in evidence.by_key[order.reference]} - {wanted}
    same = (order.user_id, order.quantity)
    if any((other.user_id, other.quantity) == same for other in others if other):
        return False
    return same == (wanted.user_id, wanted.quantity)


def an_order_is_remembered(evidence: Evidence) -> Iterator[str]:
    """Once a key's order was told of, its repeats are not refused as if it were not there."""
    for entries in evidence.by_key.values():
        known_at = min((e.end for e in entries if e.status in {*_BOOKED, 402}), default=FOREVER)
        for entry in entries:
            if entry.start > known_at and entry.status in {409, 429}:
                yield f"{entry}, known since {known_at:.3f}"


# --- Refusals are true ------------------------------------------------------------------------------------


def what_is_refused_is_not_booked(evidence: Evidence) -> Iterator[str]:
    """A key whose every answer says that nothing was booked has no order."""
    for key, entries in evidence.by_key.items():
        if key in evidence.orders and all(_made_nothing(entry) for entry in entries):
            yield f"{evidence.orders[key]}: " + ", ".join(map(str, entries))


def declined_payments_leave_nothing(evidence: Evidence) -> Iterator[str]:
    """What was answered 402 is a declined order, without a ticket."""
    for entry in evidence.answered("book"):
        if entry.status == 402:
            order = evidence.orders.get(entry.key)
            if order is None or order.status != "declined" or any(line.live for line in evidence.lines[order.id]):
                yield f"{entry}, {order}"


def _began(evidence: Evidence, entry: Entry) -> float:
    """Return when a booking began whose answer this is: repeats wait for the first that is still running."""
    began = entry.start
    for other in sorted(evidence.by_key[entry.key], key=lambda each: each.start, reverse=True):
        end = other.end if other.status else other.end + RUNS_ON_S
        if other.wanted == entry.wanted and other.start < began <= end:
            began = other.start
    return began


def sold_out_is_true(evidence: Evidence) -> Iterator[str]:
    """`sold_out` is said only if, at some moment of the request, too few tickets were unsold and so many were free."""
    for entry in evidence.answered("book"):
        if entry.code == "sold_out":
            wanted = entry.wanted
            assert wanted is not None
            told = entry.content["available"]
            moments = [bounds[wanted.tier] for bounds in evidence.stock.between(_began(evidence, entry), entry.end)]
            if told >= wanted.quantity or not any(
                each.unsold_min < wanted.quantity and each.free_min <= told <= each.free_max for each in moments
            ):
                yield f"{entry}: {told} of {wanted}, but {moments}"


def all_held_is_true(evidence: Evidence) -> Iterator[str]:
    """`all_held` is said only if, at some moment of the request, enough were unsold, but too few of them free."""
    for entry in evidence.answered("book"):
        if entry.code == "all_held":
            wanted = entry.wanted
            assert wanted is not None
            moments = [bounds[wanted.tier] for bounds in evidence.stock.between(_began(evidence, entry), entry.end)]
            if not any(each.free_min < wanted.quantity <= each.unsold_max for each in moments):
                yield f"{entry}: {wanted}, but {moments}"


def seat_taken_is_true(evidence: Evidence) -> Iterator[str]:
    """`seat_taken` names tickets of the request that another order had at some moment of it."""
    for entry in evidence.answered("book"):
        if entry.code == "seat_taken":
            assert entry.wanted is not None
            began = _began(evidence, entry)
            for ticket_id in entry.content["ticketIds"]:
                had = [
                    state
                    for reference, state in evidence.holders[ticket_id]
                    if reference != entry.key and state.from_earliest <= entry.end and began <= state.to_latest
                ]
                if ticket_id not in entry.wanted.ticket_ids or not had:
                    yield f"{entry}: ticket {ticket_id}"


def cancelling_is_refused_truly(evidence: Evidence) -> Iterator[str]:
    """Cancelling is refused to others, to what is not there, and to what was declined or had expired by then."""
    for entry in evidence.answered("cancel"):
        order, states = evidence.orders.get(entry.key), evidence.states.get(entry.key, [])
        over = [state for state in states if state.status in {"declined", "expired"} and _overlaps(state, entry)]
        true = {
            200: order is not None and order.user_id == entry.user_id,
            403: order is not None and order.user_id != entry.user_id,
            404: not states or entry.start <= states[0].from_latest,
            409: order is not None and order.user_id == entry.user_id and bool(over),
        }
        if not true.get(entry.status, True):
            yield f"{entry} by {entry.user_id}, {order}, {states}"


def _overlaps(state: Period, entry: Entry) -> bool:
    """Whether a state may have been at some moment of a request."""
    return state.from_earliest <= entry.end and state.to_latest >= entry.start


def refusals_say_when_to_come_back(evidence: Evidence) -> Iterator[str]:
    """503, 429 and `all_held` carry Retry-After."""
    for entry in evidence.answered("book", "order", "cancel", "availability"):
        if (entry.status in {429, 503} or entry.code == "all_held") and not entry.retry_after:
            yield str(entry)


# --- One ticket, one buyer --------------------------------------------------------------------------------


def no_ticket_is_live_twice(evidence: Evidence) -> Iterator[str]:
    """No ticket has two live bookings, and at no moment had two orders the same ticket for certain."""
    live: dict[int, int] = {}
    for booking in evidence.facts.bookings:
        if booking.live and live.setdefault(booking.ticket_id, booking.order_id) != booking.order_id:
            yield f"ticket {booking.ticket_id} is live in orders {live[booking.ticket_id]} and {booking.order_id}"
    for ticket_id, holders in evidence.holders.items():
        spans = [(state.from_latest, state.to_earliest, reference) for reference, state in holders]
        ended, owner = 0.0, ""
        for start, end, reference in sorted(span for span in spans if span[0] < span[1]):
            if start < ended and reference != owner:
                yield f"ticket {ticket_id}: {reference} had it from {start:.3f}, {owner} until {ended:.3f}"
            ended, owner = max((ended, owner), (end, reference))


# --- Limits, staleness, bounded waiting -------------------------------------------------------------------


def nobody_exceeds_the_limit(evidence: Evidence) -> Iterator[str]:
    """No buyer has more orders than the limit in any minute."""
    if not evidence.limit:
        return
    for user_id, times in _times_by_user(evidence).items():
        for first, last in zip(times, times[evidence.limit :], strict=False):
            if last - first < WINDOW_S:
                yield f"{user_id}: {evidence.limit + 1} orders from {first:.3f} to {last:.3f}"


def rate_limited_is_true(evidence: Evidence) -> Iterator[str]:
    """`rate_limited` is said to a booking only if its buyer has used the limit up within the last minute."""
    times = _times_by_user(evidence)
    for entry in evidence.answered("book"):
        if entry.code == "rate_limited":
            assert entry.wanted is not None
            recent = [at for at in times[entry.wanted.user_id] if entry.start - WINDOW_S < at <= entry.end]
            if not evidence.limit or len(recent) < evidence.limit:
                yield f"{entry}: {entry.wanted.user_id} has {len(recent)} orders"


def _times_by_user(evidence: Evidence) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    for order in evidence.facts.orders:
        times[order.user_id].append(order.created_at)
    for each in times.values():
        each.sort()
    return times


def availability_was_true(evidence: Evidence) -> Iterator[str]:
    """An availability is at most a second old when it is asked for, and all its counts were true at one moment."""
    for entry in evidence.answered("availability"):
        if entry.status == 200:
            if not entry.start - AGE_MAX_S - AS_OF_STEP_S <= entry.as_of <= entry.end:
                yield f"{entry} as of {entry.as_of:.3f}"
                continue
            counts = {tier: told["available"] for tier, told in entry.content.items()}
            moments = list(evidence.stock.between(entry.as_of, entry.end))
            if counts.keys() != evidence.prices.keys() or not any(
                all(m[tier].free_min <= count <= m[tier].free_max for tier, count in counts.items()) for m in moments
            ):
                yield f"{entry} as of {entry.as_of:.3f}: {counts}, but from {moments[0]} to {moments[-1]}"


def orders_are_shown_as_they_were(evidence: Evidence) -> Iterator[str]:
    """A booking is shown in a state that it had at some moment of the request, or as not there only before it was."""
    for entry in evidence.answered("order"):
        states = evidence.states.get(entry.key, [])
        if entry.status == 404 and states and entry.start > states[0].from_latest:
            yield f"{entry}, but {states}"
        if entry.status == 200 and not any(
            state.status == entry.content["status"] and _overlaps(state, entry) for state in states
        ):
            yield f"{entry} says {entry.content['status']}, but {states}"


def all_is_answered_in_time(evidence: Evidence) -> Iterator[str]:
    """Every request is answered, in bounded time, unless a fault hits its connection or its process."""
    for entry in evidence.history.entries:
        late = not entry.status or entry.end - entry.start > ANSWER_MAX_S
        if late and not any(_excuses(fault, entry) for fault in evidence.history.faults):
            yield str(entry)
        if entry.status and entry.status not in _ALLOWED[entry.kind]:
            yield f"{entry}: {entry.body.decode(errors='replace')}"


def _excuses(fault: Fault, entry: Entry) -> bool:
    return (
        fault.unanswered
        and fault.start <= entry.end
        and entry.start <= max(fault.end, fault.recovered or 0) + AFTERMATH_S
    )


# --- Money, and nothing left over -------------------------------------------------------------------------


def money_and_tickets_agree(evidence: Evidence) -> Iterator[str]:
    """An order is confirmed exactly if its payment of its total is captured, and stays so."""
    settled = {"confirmed": {"captured"}, "declined": {"declined"}, "cancelled": {"refunded", "void", "declined"}}
    settled["expired"] = settled["cancelled"]
    for order in evidence.facts.orders:
        if order.payment not in settled.get(order.status, {"pending"}) or order.amount_minor != order.total_minor:
            yield str(order)


def the_provider_agrees(evidence: Evidence) -> Iterator[str]:
    """The provider has kept money exactly of the confirmed orders, each once and their total."""
    if evidence.ledger is None:
        return
    told = {"captured": {"captured"}, "refunded": {"refunded"}, "declined": {"declined", "void"}}
    charges: dict[str, Charge] = {}
    for charge in evidence.ledger:
        order = evidence.orders.get(charge.reference)
        if order is None or charge.reference in charges:
            yield f"{charge} is of no order, or of one that was charged for before"
        elif (charge.amount, charge.currency) != (order.total_minor, order.currency):
            yield f"{charge} is of another amount than {order}"
        elif order.payment not in told.get(charge.status, set()):
            yield f"{charge} is in another state than {order}"
        charges[charge.reference] = charge
    for order in evidence.facts.orders:
        if order.payment in told and order.reference not in charges:
            yield f"the provider knows nothing of {order}"


def nothing_is_left_over(evidence: Evidence) -> Iterator[str]:
    """No hold is past its time, no payment and no webhook is left open."""
    for order in evidence.facts.orders:
        if order.overdue:
            yield f"past its time: {order}"
    for tier in evidence.facts.tiers:
        if tier.overdue:
            yield f"tickets held past their time: {tier}"
    if evidence.facts.open_payments or evidence.facts.open_webhooks:
        yield f"{evidence.facts.open_payments} payments and {evidence.facts.open_webhooks} webhooks are open"


def every_fault_was_recovered_from(evidence: Evidence) -> Iterator[str]:
    """After each fault a booking went through again."""
    for fault in evidence.history.faults:
        if fault.recovered is None:
            yield str(fault)


Law = Callable[[Evidence], Iterator[str]]
INVARIANTS: tuple[Law, ...] = (
    acknowledged_bookings_are_there,
    cancelled_bookings_stay_cancelled,
    prices_are_those_of_the_tier,
    answers_of_a_key_are_equal,
    each_key_has_one_order,
    a_key_is_refused_only_to_another_body,
    an_order_is_remembered,
    what_is_refused_is_not_booked,
    declined_payments_leave_nothing,
    sold_out_is_true,
    all_held_is_true,
    seat_taken_is_true,
    cancelling_is_refused_truly,
    refusals_say_when_to_come_back,
    no_ticket_is_live_twice,
    nobody_exceeds_the_limit,
    rate_limited_is_true,
    availability_was_true,
    orders_are_shown_as_they_were,
    all_is_answered_in_time,
    money_and_tickets_agree,
    the_provider_agrees,
    nothing_is_left_over,
    every_fault_was_recovered_from,
)


def judge(evidence: Evidence) -> list[Violation]:
    """Return every violation of every invariant."""
    return [Violation(invariant.__name__, what) for invariant in INVARIANTS for what in invariant(evidence)]


def check(
    history: History, database_url: str, event: str, *, limit: int = 0, ledger: Sequence[Charge] | None = None
) -> list[Violation]:
    """Compare a history with its event's rows, the provider's ledger (if any) and the audit's invariants."""
    evidence = Evidence(history, read_facts(database_url, event), limit=limit, ledger=ledger)
    violations = judge(evidence)
    if found := audit(database_url):
        violations.append(Violation("audit", report(found)))
    return violations


def describe(violations: Sequence[Violation]) -> str:
    """Say what is broken, for people; of each invariant the first few."""
    by_law: dict[str, list[str]] = defaultdict(list)
    for violation in violations:
        by_law[violation.invariant].append(violation.what)
    lines = []
    for invariant, found in by_law.items():
        lines += [f"{invariant}: {len(found)}", *(f"  {what}" for what in found[:SHOWN_MAX])]
    return "\n".join(lines)
