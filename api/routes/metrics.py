"""The metrics for Prometheus."""

import asyncio

import psycopg
from litestar import Response, get
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from api import metrics
from api.http.state import ApiState
from api.services.health import read_system


@get("/metrics", include_in_schema=False)
async def get_metrics(state: ApiState) -> Response[bytes]:
    """Return the metrics of all processes and of the system in Prometheus' text format."""
    try:
        system = await read_system(state.pool, state.settings)
    except psycopg.Error:
        system = None
    body = await asyncio.to_thread(metrics.render_metrics, system)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})
