"""Responses as the API makes them, before the framework or the fast path sends them."""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from litestar import Request, Response

from api.http.semantics import accepts_gzip
from api.services.snapshots import Snapshot


class EncodedContent(Protocol):
    """Content in its encoded forms, such as a snapshot."""

    @property
    def body(self) -> bytes:
        """The content without compression."""

    @property
    def gzipped(self) -> bytes | None:
        """The compressed content, or None if it is too small or already compressed."""

    @property
    def etag(self) -> str:
        """The entity tag; weak if there is compressed content as well."""


class RawResponse(NamedTuple):
    """A status, an encoded body and its headers; cheaper than the framework's `Response`."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}
    media_type: str = "application/json"

    def to_litestar(self) -> Response[bytes]:
        """Return the response for the framework to send."""
        return Response(self.body, status_code=self.status, headers=self.headers, media_type=self.media_type)


@functools.lru_cache(maxsize=256)  # A snapshot has one time and many responses.
def rfc3339(time: datetime) -> str:
    """Format a time for a header: RFC 3339 in UTC with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cached_response(snapshot: Snapshot, etags: str, encodings: str) -> RawResponse:
    """Return a snapshot, or 304 if one of the client's ETags matches.

    `etags` is the header `If-None-Match`, `encodings` the header `Accept-Encoding`; both may be empty.
    """
    headers = {"Cache-Control": "public, max-age=1", "X-As-Of": rfc3339(snapshot.as_of)}
    if snapshot.revision is not None:
        headers["X-Event-Revision"] = str(snapshot.revision)
    return conditional_response(snapshot, headers, etags, encodings)


def conditional_response(
    content: EncodedContent, headers: Mapping[str, str], etags: str, encodings: str
) -> RawResponse:
    """Return content with its ETag and further headers, or 304 if one of the client's ETags matches.

    `etags` is the header `If-None-Match`, `encodings` the header `Accept-Encoding`; both may be empty.
    """
    headers = {"ETag": content.etag, **headers}
    # RFC 9110 demands weak comparison: the prefix W/ makes no difference.
    if etags and (etags == "*" or content.etag.removeprefix("W/") in etags):
        return RawResponse(b"", 304, headers)
    if content.gzipped is not None and accepts_gzip(encodings):
        return RawResponse(content.gzipped, headers={**headers, "Content-Encoding": "gzip"})
    return RawResponse(content.body, headers=headers)


def cached_response_for(request: Request[Any, Any, Any], snapshot: Snapshot) -> Response[bytes]:
    """Return the snapshot for the framework to send."""
    headers = request.headers
    etags, encodings = headers.get("if-none-match", ""), headers.get("accept-encoding", "")
    return cached_response(snapshot, etags, encodings).to_litestar()
