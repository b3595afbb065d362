"""An answer as this API makes it, before the framework or the short way in front of it sends it."""

from collections.abc import Mapping
from typing import NamedTuple

from litestar import Response


class Answer(NamedTuple):
    """A status, a body of a media type, and further headers; much lighter than the framework's own."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}
    media_type: str = "application/json"

    def response(self) -> Response[bytes]:
        """Return it for the framework to send."""
        return Response(self.body, status_code=self.status, headers=self.headers, media_type=self.media_type)
