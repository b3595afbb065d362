"""The metrics for Prometheus."""

import asyncio

import psycopg
from litestar import Response, get
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from api import metrics
from api.health_schemas import SystemHealth
from api.http.shared_result import SharedResult
from api.http.state import ApiState


@get("/metrics", include_in_schema=False)
async def get_metrics(state: ApiState) -> Response[bytes]:
    """Return the metrics of all processes and of the system in Prometheus' text format, at most one second old."""
    return Response(await state.metrics.get(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def render_metrics(system: SharedResult[SystemHealth]) -> bytes:
    """Return the metrics; without those of the system if the database does not respond."""
    try:
        health = await system.get()
    except psycopg.Error:
        health = None
    metrics.flush()
    return await asyncio.to_thread(metrics.render_metrics, health)
