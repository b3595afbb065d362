"""`python -m api audit`: checks every invariant of `sql/queries/audit*.sql` in one snapshot of the database.

The audit covers invariants that no constraint enforces: those between tables, such as the foreign keys that the hot
tables lack. It writes nothing and locks no row, so it can run during a sale.
"""

from typing import Any

import msgspec
import psycopg
from psycopg.rows import DictRow, dict_row

from api.database import queries
from api.database.pool import REQUIRED_SETTINGS, settings_parameters
from api.database.queries import Query
from api.errors import SetupError

INVARIANTS = (
    queries.audit.find_double_bookings,
    queries.audit.find_wrong_statuses,
    queries.audit.find_wrong_hold_ends,
    queries.audit.find_overdue_holds,
    queries.audit.find_unbalanced_tiers,
    queries.audit.find_stray_tickets,
    queries.audit.find_misplaced_tickets,
    queries.audit.find_shared_positions,
    queries.audit.find_shared_seats,
    queries.audit.find_broken_rows,
    queries.audit.find_bookings_without_order,
    queries.audit.find_bookings_without_ticket,
    queries.audit.find_misplaced_bookings,
    queries.audit.find_broken_lines,
    queries.audit.find_incomplete_orders,
    queries.audit.find_lost_bookings,
    queries.audit.find_wrong_totals,
    queries.audit.find_orders_without_event,
    queries.audit.find_double_references,
    queries.audit.find_unpaid_orders,
    queries.audit.find_wrong_payments,
    queries.audit.find_payments_without_order,
    queries.audit_money.find_checkouts_without_payment,
    queries.audit_money.find_refunds_without_payment,
    queries.audit_money.find_wrong_refund_sums,
    queries.audit_money.find_excess_refunds,
    queries.audit_money.find_unpaid_returns,
    queries.audit_money.find_wrong_returns,
    queries.audit_money.find_unrefunded_ends,
    queries.audit_money.find_unfinished_refunds,
    queries.audit_money.find_shared_refunds,
    queries.audit_histories.find_broken_histories,
    queries.audit_histories.find_broken_payment_histories,
    queries.audit_histories.find_broken_refund_histories,
    queries.audit_histories.find_broken_line_histories,
    queries.audit_histories.find_events_without_order,
    queries.audit_messages.find_unannounced_orders,
    queries.audit_messages.find_unannounced_cancellations,
    queries.audit_messages.find_unannounced_changes,
    queries.audit_messages.find_repeated_changes,
    queries.audit_messages.find_misdirected_messages,
    queries.audit_accounts.find_foreign_owners,
    queries.audit_accounts.find_unverified_passkeys,
    queries.audit_cancellations.find_kept_orders,
    queries.audit_cancellations.find_missing_refunds,
    queries.audit_cancellations.find_wrong_withdrawals,
    queries.audit.find_exceeded_limits,
    queries.audit.find_missing_keys,
)
"""Each query returns the rows that violate its invariant. The first line of its header states the invariant."""

ROWS_SHOWN_MAX = 20
"""The most rows of a violation that the report shows; it counts the others."""

_SESSION = REQUIRED_SETTINGS | {
    # Overrides the role's time limit, which is for the API's statements.
    "statement_timeout": "10min",
    "work_mem": "64MB",
    # The audit reads the tables without their indexes, because a corrupt index may be the cause of a violation.
    "enable_seqscan": "on",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
    # Each query reads whole tables. A nested loop, chosen after a wrong estimate, would take hours.
    "enable_nestloop": "off",
}


class Violation(msgspec.Struct, frozen=True):
    """An invariant that does not hold, with the number of offending rows and the first of them."""

    invariant: Query
    total: int
    rows: list[DictRow]


def audit(conninfo: str) -> list[Violation]:
    """Check every invariant in one snapshot; return the violations.

    Raises:
        SetupError: the database lacks migrations.
    """
    with psycopg.connect(conninfo, connect_timeout=10, row_factory=dict_row) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(queries.sessions.apply_settings.sql, settings_parameters(_SESSION, local=True))
        try:
            violations = [_check(connection, invariant) for invariant in INVARIANTS]
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise SetupError(
                f"The database lacks migrations, run `make migrate` first: {error.diag.message_primary}."
            ) from error
    return [violation for violation in violations if violation.total]


def _check(connection: psycopg.Connection[DictRow], invariant: Query) -> Violation:
    rows: list[DictRow] = []
    total = 0
    # A million rows would not fit into memory, so the rows are streamed.
    for total, row in enumerate(connection.cursor().stream(invariant.sql), start=1):
        if total <= ROWS_SHOWN_MAX:
            rows.append(row)
    return Violation(invariant, total, rows)


def report(violations: list[Violation]) -> str:
    """Format the violations for people."""
    if not violations:
        return f"All {len(INVARIANTS)} invariants hold."
    lines = [f"{len(violations)} of {len(INVARIANTS)} invariants are broken."]
    for violation in violations:
        in_words = violation.invariant.doc.splitlines()[0]
        lines += ["", f"{violation.invariant.name}: {in_words}"]
        lines += [f"  {_describe(row)}" for row in violation.rows]
        if violation.total > len(violation.rows):
            lines.append(f"  ... {violation.total} rows in all")
    return "\n".join(lines)


def _describe(row: dict[str, Any]) -> str:
    return " ".join(f"{column}={value!r}" for column, value in row.items())
