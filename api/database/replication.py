"""Synchronous replication: a response about an order waits until the standby has the order.

A commit waits for the synchronous standby before other transactions see its rows. PostgreSQL breaks this rule after a
crash, and for a commit whose wait was cancelled. Their rows are visible on the primary, but a failover loses them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from api.database import queries
from api.database.session import Session, Statement

Row = TypeVar("Row")

_ROUND_TRIPS_MAX = 10
"""Upper bound on the round trips of one transaction that changes an order."""


class _Marker(msgspec.Struct, frozen=True):
    """A row of `replication.await_standby`: the standby has every change that was committed before `replicated_at`."""

    replicated_at: datetime
    lsn: str


async def run_replicated(
    session: Session, statement: Statement[Row], order_ids: Sequence[int] | None = None
) -> list[Row]:
    """Run a statement outside of a transaction, and wait until the standby has all changes that the session has read.

    Orders that did not change since the last wait need no wait. None stands for any change.

    Raises:
        psycopg.OperationalError: the standby does not respond in time, or too many commits wait for it.
    """
    await session.check_commits()
    since = session.shared.replicated_at
    if since is not None:
        # A change carries the time of its transaction's start, and becomes visible with the commit.
        since -= timedelta(seconds=_ROUND_TRIPS_MAX * session.round_trip_max_s)
    pipeline = session.pipeline()
    result = pipeline.add(statement)
    parameters = {"order_ids": order_ids, "since": since}
    marker = pipeline.add(Statement(queries.replication.await_standby, parameters, _Marker))
    await pipeline.run()
    for row in marker.rows:
        session.shared.replicated_at = row.replicated_at
    return result.rows
