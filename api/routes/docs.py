"""The files of the readable page of the OpenAPI document. Each process reads and compresses them once."""

import functools
import gzip
import hashlib
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.params import FromPath

from api.errors import NotFound
from api.http.responses import conditional_response
from api.http.state import ApiState
from api.routes.tickets import UNCOMPRESSED

ASSETS = "/schema-assets"
SCRIPT, STYLE, PRESET, ICON = (
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "swagger-ui-standalone-preset.js",
    "favicon-32x32.png",
)
_MEDIA_TYPES = {SCRIPT: "text/javascript", STYLE: "text/css", PRESET: "text/javascript", ICON: "image/png"}


class Asset(NamedTuple):
    """A file in its encoded forms."""

    body: bytes
    gzipped: bytes | None
    etag: str


@get(f"{ASSETS}/{{name:str}}", opt=UNCOMPRESSED, include_in_schema=False)
async def get_asset(request: Request[Any, Any, ApiState], name: FromPath[str]) -> Response[bytes]:
    """Return a file of the page."""
    if name not in _MEDIA_TYPES:
        raise NotFound(f"file {name}")
    headers = request.headers
    etags, encodings = headers.get("if-none-match", ""), headers.get("accept-encoding", "")
    response = conditional_response(_read(name), {"Cache-Control": "public, max-age=3600"}, etags, encodings)
    return response._replace(media_type=_MEDIA_TYPES[name]).to_litestar()


@functools.cache
def _read(name: str) -> Asset:
    body = (_package() / "static" / name).read_bytes()
    gzipped = None if name == ICON else gzip.compress(body, mtime=0)
    return Asset(body, gzipped, f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')


def _package() -> Path:
    """Return the directory of the package with the files. Its import would load a template engine."""
    spec = importlib.util.find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("swagger_ui")
    return Path(spec.origin).parent
