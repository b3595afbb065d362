"""Undocumented interfaces of psycopg: the row loader, errors from results, and waiting for a connection.

psycopg's cursors send each statement by itself, even in pipeline mode. `round_trip` sends all queued statements at
once.

On an upgrade of psycopg compare with `psycopg/generators.py` (`_pipeline_communicate`), `AsyncConnection.wait`,
`psycopg/_py_transformer.py` (`set_pgresult`, `load_rows`) and `psycopg.errors.error_from_result`. Then run
`tests/integration/database/test_session.py` and change `VERSION`.
"""

import importlib.metadata
from collections.abc import Awaitable

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from api.database.pool import Connection

__all__ = ["Transformer", "error_from_result", "round_trip"]

VERSION = "3.3"
"""The release series that this module fits."""
if not (_installed := importlib.metadata.version("psycopg")).startswith(f"{VERSION}."):
    raise ImportError(f"psycopg {_installed} is not {VERSION}: check {__name__} first")


def round_trip(connection: Connection) -> Awaitable[list[PGresult]]:
    """Send what is queued on a connection in pipeline mode; return the results, failed ones included.

    Raises:
        psycopg.OperationalError: the connection is lost.
    """
    return connection.wait(_round_trip(connection.pgconn))


def _round_trip(pgconn: PGconn) -> PQGen[list[PGresult]]:
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
            return results
        else:
            results.append(result)
