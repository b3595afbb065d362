"""Health checks: liveness of this process, and readiness to serve."""

import psycopg
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from api.database import migrations, queries
from api.database.session import with_timeout
from api.errors import SetupError
from api.http.state import ApiState
from api.process_environment import is_stopping
from api.schemas import Health

_MIGRATIONS = migrations.load()


@get("/health/live")
async def get_live() -> Health:
    """Return 200 while the process runs."""
    return Health(status="live")


@get(
    "/health/ready",
    responses={503: ResponseSpec(Health, description="Not ready; `reason` explains it", generate_examples=False)},
)
async def get_ready(state: ApiState) -> Response[Health]:
    """Return 200 while the database responds and has all migrations, until shutdown begins."""
    reason = "shutting down" if is_stopping() else await _why_not_ready(state)
    health = Health(status="unavailable", reason=reason) if reason else Health(status="ready")
    return Response(health, status_code=503 if reason else 200, headers={"Cache-Control": "no-store"})


async def _why_not_ready(state: ApiState) -> str | None:
    try:
        missing = migrations.missing(_MIGRATIONS, await with_timeout(_applied(state)))
    except psycopg.errors.UndefinedTable:
        missing = _MIGRATIONS
    except psycopg.OperationalError:
        return "the database does not respond"
    except SetupError as error:
        return str(error)
    return f"migrations are missing: {', '.join(m.name for m in missing)}" if missing else None


async def _applied(state: ApiState) -> dict[str, str]:
    async with state.pool.connection() as connection:
        cursor = await connection.execute(queries.migrations.list_applied.sql)
        return dict(await cursor.fetchall())
