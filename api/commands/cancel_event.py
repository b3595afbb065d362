"""`python -m api cancel-event`: cancels an event after a confirmation, or shows the progress of its cancellation."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

import msgspec

from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import open_pool
from api.errors import SetupError
from api.money import format_amount
from api.services.cancellations import CancellationError, FailedRefund, Preview, Progress, State, preview, start
from api.text import TEXT_PATTERN, TEXT_RULE, normalize

_STATEMENT_TIMEOUT_MS = 120_000
"""Timeout of a statement. The start of a cancellation changes all tickets of the event."""


class Confirmation(NamedTuple):
    """The operator's confirmation of a preview."""

    event: str
    """The event's slug."""
    orders: str
    """The number of orders in the preview, as it was typed."""
    reason: str


async def cancel(
    conninfo: str,
    settings: Settings,
    event: str,
    stated: Confirmation | None,
    show: Callable[[str], None],
    ask: Callable[[str], str | None],
) -> int:
    """Show the preview of a cancellation and start it after its confirmation, or show its progress.

    Args:
        conninfo: the database.
        settings: the settings of the pool.
        event: the event's slug.
        stated: the confirmation; None: the operator types it.
        show: prints a text.
        ask: prints a question and returns the response; None without a terminal.

    Returns:
        The exit code: 0 if the event is cancelled.

    Raises:
        psycopg.Error: nothing has changed.
        SetupError: nothing has changed, or the outcome is unknown.
    """
    settings = msgspec.structs.replace(settings, statement_timeout_ms=_STATEMENT_TIMEOUT_MS, db_round_trip_max_ms=0)
    async with open_pool(conninfo, settings) as pool:
        try:
            found = await preview(pool, event)
            if isinstance(found, Progress):
                show(report_progress(found))
                if stated is None:
                    return 0
                raise SetupError(f"The event {event} is already cancelled.")
            show(report_preview(found))
            confirmation = stated or _ask(ask)
            if confirmation is None:
                show("Nothing was changed. Confirm with --confirm SLUG --orders NUMBER --reason TEXT.")
                return 1
            await start(pool, found, _check(confirmation, found))
        except CancellationError as error:
            raise SetupError(f"{error} Nothing was changed.") from error
        except CommitUnknownError as error:
            raise SetupError(f"The outcome is unknown. Repeat the command to see it: {error}") from error
    show(f"The sale has ended. Orders that the worker cancels: {found.orders}. Repeat the command to see the progress.")
    return 0


def _ask(ask: Callable[[str], str | None]) -> Confirmation | None:
    """Return the confirmation that the operator types; None without a terminal."""
    event = ask("Type the slug of the event to cancel it for good: ")
    orders = None if event is None else ask("Type the number of orders: ")
    reason = None if orders is None else ask("Type the reason, for the venue: ")
    if event is None or orders is None or reason is None:
        return None
    return Confirmation(event.strip(), orders.strip(), reason)


def _check(confirmation: Confirmation, found: Preview) -> str:
    """Return the reason of a confirmation that fits the preview.

    Raises:
        SetupError: the confirmation does not fit, or its reason is invalid.
    """
    if confirmation.event != found.event:
        raise SetupError(f"The slug is {found.event}, not {confirmation.event!r}. Nothing was changed.")
    if confirmation.orders != str(found.orders):
        raise SetupError(
            f"The event has {found.orders} orders, not {confirmation.orders!r}. Nothing was changed. "
            "During a busy sale, end the sale first: set sales_end_at of the event."
        )
    reason = normalize(confirmation.reason)
    if not re.match(TEXT_PATTERN, reason):
        raise SetupError(f"The reason {TEXT_RULE}, and at most 128 characters. Nothing was changed.")
    return reason


def report_preview(found: Preview) -> str:
    """Format a preview for people."""
    rows = [("currency", "kind", "orders", "tickets", "amount")]
    for total in found.totals:
        amount = format_amount(total.amount_minor, total.currency)
        rows.append((total.currency, total.kind, str(total.orders), str(total.tickets), amount))
    lines = [f"The cancellation of {found.event} ({found.name}) ends these orders:", *_table(rows)]
    return "\n".join([*lines, f"orders: {found.orders}"])


def report_progress(found: Progress) -> str:
    """Format a progress for people."""
    state = "The worker continues." if found.finished_at is None else f"Finished at {found.finished_at.isoformat()}."
    rows = [("currency", "state", "orders", "amount")]
    for currency in dict.fromkeys(count.currency for count in found.counts):
        counts = {count.state: count for count in found.counts if count.currency == currency}
        states: Mapping[State, tuple[int, int]] = {
            each: (counts[each].orders, counts[each].amount_minor) if each in counts else (0, 0)
            for each in get_args(State)
        }
        for each, (orders, minor) in states.items():
            rows.append((currency, each, str(orders), format_amount(minor, currency)))
        orders, minor = (sum(column) for column in zip(*states.values(), strict=True))
        rows.append((currency, "all", str(orders), format_amount(minor, currency)))
    lines = [
        f"The event {found.event} ({found.name}) was cancelled at {found.started_at.isoformat()}: {found.reason}",
        state,
        *_table(rows),
        *(_describe(refund) for refund in found.failed),
    ]
    return "\n".join(lines)


def _describe(refund: FailedRefund) -> str:
    amount = format_amount(refund.amount_minor, refund.currency)
    return f"retry-refund {refund.key}: {amount} of {refund.reference} failed: {refund.last_error or 'unknown'}"


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Return the lines of a table with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
