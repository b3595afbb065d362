"""The metrics for Prometheus."""

from litestar import Response, get
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from api import metrics


@get("/metrics", include_in_schema=False, sync_to_thread=True)
def get_metrics() -> Response[bytes]:
    """Return the metrics of all processes in Prometheus' text format."""
    return Response(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
