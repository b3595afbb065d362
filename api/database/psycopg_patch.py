"""Undocumented interfaces of psycopg: the row loader, errors from results, and waiting with a limit.

psycopg's cursors send each statement by itself, even in pipeline mode. `round_trip` sends all queued statements at
once.

On an upgrade of psycopg compare with `psycopg/generators.py` (`_pipeline_communicate`), `AsyncConnection.wait`,
`psycopg.waiting.wait_async`, `psycopg/_py_transformer.py` (`set_pgresult`, `load_rows`) and
`psycopg.errors.error_from_result`. Then run `tests/integration/database/test_session.py` and change `VERSION`.
"""

import importlib.metadata
from collections.abc import Awaitable
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, errors, pq
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait, wait_async

__all__ = ["WAIT_INTERVAL_S", "Transformer", "error_from_result", "round_trip", "wait_at_most"]

Value = TypeVar("Value")

VERSION = "3.3"
"""The release series that this module fits."""
if not (_installed := importlib.metadata.version("psycopg")).startswith(f"{VERSION}."):
    raise ImportError(f"psycopg {_installed} is not {VERSION}: check {__name__} first")

WAIT_INTERVAL_S = 0.1
"""Interval at which a waiting connection checks that its socket is open."""


async def wait_at_most(gen: PQGen[Value], pgconn: PGconn, limit_s: float, interval_s: float) -> Value:
    """Run one of psycopg's generators on a connection.

    Raises:
        TimeoutError: the generator did not end within `limit_s` seconds.
        psycopg.OperationalError: the connection is lost.
    """
    try:
        return await wait_async(gen, pgconn.socket, interval=interval_s, timeout=limit_s)
    except errors._WaitTimeout:  # noqa: SLF001 - psycopg has no public name for it
        raise TimeoutError from None


def round_trip(connection: AsyncConnection[Any], syncs: int = 1) -> Awaitable[list[PGresult]]:
    """Send the queued statements of a connection in pipeline mode; return all results, also those of failed statements.

    `syncs` is the number of synchronization points, with the one that this function adds.

    Raises:
        psycopg.OperationalError: the connection is lost.
    """
    return connection.wait(_round_trip(connection.pgconn, syncs))


def _round_trip(pgconn: PGconn, syncs: int) -> PQGen[list[PGresult]]:
    pgconn.pipeline_sync()
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()  # The server may stop reading until the client reads.
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            while not (yield Wait.R):
                pass
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of one statement's results
            if pgconn.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError("the connection is lost")
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            syncs -= 1
            if not syncs:
                return results
        else:
            results.append(result)
