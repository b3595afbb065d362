"""An answer as this API makes it, before the framework or the short way in front of it sends it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from litestar import Request, Response

from api.services.snapshots import Snapshot


class Answer(NamedTuple):
    """A status, a body of a media type, and further headers; much lighter than the framework's own."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}
    media_type: str = "application/json"

    def response(self) -> Response[bytes]:
        """Return it for the framework to send."""
        return Response(self.body, status_code=self.status, headers=self.headers, media_type=self.media_type)


def live(counted: Snapshot, known: str, encodings: str) -> Answer:
    """Return what was counted to who knows counts of these ETags (`If-None-Match`) and takes these encodings."""
    headers = {
        "ETag": counted.etag,
        "Cache-Control": "public, max-age=1",
        "X-As-Of": counted.as_of,
    }
    # Compared weakly: whether one of them is marked as weak makes no difference.
    if known and (known == "*" or counted.etag.removeprefix("W/") in known):
        return Answer(b"", 304, headers)
    if counted.gzipped is not None and "gzip" in encodings:
        headers["Content-Encoding"] = "gzip"
        return Answer(counted.gzipped, headers=headers)
    return Answer(counted.body, headers=headers)


def cached_response_for(request: Request[Any, Any, Any], counted: Snapshot) -> Response[bytes]:
    """Return what was counted for the framework to send."""
    headers = request.headers
    return live(counted, headers.get("if-none-match", ""), headers.get("accept-encoding", "")).response()
