"""The state of this process, and of the whole system."""

from typing import Any

import psycopg
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from api.config import Settings
from api.database.pool import Pool
from api.errors import Busy
from api.health_schemas import Health, SystemHealth
from api.http.problems import MEDIA_TYPE
from api.http.state import ApiState
from api.process_environment import is_stopping
from api.schemas import Problem
from api.services.health import find_obstacle
from api.services.snapshots import SnapshotCache

_NO_STORE = {"Cache-Control": "no-store"}


@get("/health/live")
async def get_live() -> Health:
    """Return 200 while the process runs."""
    return Health(status="live")


@get(
    "/health/ready",
    responses={503: ResponseSpec(Health, description="Not ready; `reason` explains it", generate_examples=False)},
)
async def get_ready(state: ApiState) -> Response[Health]:
    """Return 200 while the process can sell tickets, until shutdown begins.

    A sale needs a writable database with all migrations and privileges, and a readable list of events.
    """
    reason = "shutting down" if is_stopping() else await state.obstacle.get()
    health = Health(status="unavailable", reason=reason) if reason else Health(status="ready")
    return Response(health, status_code=503 if reason else 200, headers=_NO_STORE)


@get(
    "/health/system",
    responses={
        200: ResponseSpec(SystemHealth, description="The state, with its problems", generate_examples=False),
        403: ResponseSpec(
            Problem, description="The client is on another machine", media_type=MEDIA_TYPE, generate_examples=False
        ),
        503: ResponseSpec(Health, description="Unknown; `reason` explains it", generate_examples=False),
    },
)
async def get_system(state: ApiState) -> Response[SystemHealth | Health]:
    """Describe the workers, the overdue holds, the standbys and the migrations. The status is 200 if degraded, too.

    Without `OPERATIONS_PORT` only clients on this machine may read it.
    """
    try:
        return Response(await state.system.get(), headers=_NO_STORE)
    except psycopg.Error:
        reason = await state.obstacle.get() or "the database does not respond"
        return Response(Health(status="unavailable", reason=reason), status_code=503, headers=_NO_STORE)


async def find_any_obstacle(pool: Pool, settings: Settings, events: SnapshotCache[Any]) -> str | None:
    """Return the first reason for which the process cannot sell tickets; None if there is none."""
    if reason := await find_obstacle(pool, settings):
        return reason
    try:
        await events.get(None)
    except (Busy, psycopg.Error, ValueError, TypeError):  # A value that Python or the encoder cannot represent.
        return "the list of events cannot be read"
    return None
