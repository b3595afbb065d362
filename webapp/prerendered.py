"""The pages' HTML as it is served: what the build drew beforehand, completed with what only the server knows.

The build knows no address. The settings are put into an attribute of each page, so that the same files serve every
`WEB_PORT`, every `PUBLIC_API_URL` and every proxy. And a page shows itself before the scripts have come: its style
stands in it, and scripts wait for what is seen first.
"""

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webapp.build import DRAWN_PATHS

SETTINGS_ID = "settings"
"""The id of the element that carries them; the build leaves them empty, and settings.js reads them."""

_SETTINGS = re.compile(r'(?<= data-settings=")\{\}(?=")')
_STYLESHEET = re.compile(r'<link\b[^>]*\bhref="(/assets/[^"]+\.css)"[^>]*>')
_EXECUTED_SCRIPT = re.compile(r'<script(?![^>]*\b(?:src=|type="application/json"))[^>]*>(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Document:
    """One page's HTML, as it is and compressed."""

    body: bytes
    compressed: bytes
    etag: str

    @classmethod
    def of(cls, text: str) -> "Document":
        """Encode a page."""
        body = text.encode()
        return cls(body, gzip.compress(body, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:24]}"')


class Documents:
    """All pages of a build, by the paths of their addresses."""

    def __init__(self, static_dir: Path, settings: Mapping[str, Any]) -> None:
        texts = {
            _address(path.relative_to(static_dir)): _complete(path.read_text("utf-8"), static_dir, settings)
            for path in static_dir.rglob("*.html")
            if not path.name.startswith("__")
        }
        self._pages = {address: Document.of(text) for address, text in texts.items()}
        self._missing = self._pages.pop("/404")
        scripts = {script for text in texts.values() for script in _EXECUTED_SCRIPT.findall(text)}
        digests = sorted(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
        self.script_sources = tuple(f"'sha256-{digest}'" for digest in digests)
        """The inline scripts of all pages, for the content security policy."""

    def find(self, path: str) -> tuple[int, Document]:
        """Return the status and the page of an address."""
        address = path.rstrip("/") or "/"
        for drawn in DRAWN_PATHS:
            prefix = drawn.removesuffix("_")
            if address.startswith(prefix) and "/" not in address.removeprefix(prefix):
                address = drawn
        page = self._pages.get(address)
        return (200, page) if page else (404, self._missing)


def _address(file: Path) -> str:
    """Return the address of a file's page: `/bookings` for `bookings/index.html` and for `bookings.html`."""
    parts = file.with_suffix("").parts
    return "/" + "/".join(parts[:-1] if parts[-1] == "index" else parts)


def _complete(text: str, static_dir: Path, settings: Mapping[str, Any]) -> str:
    written = html.escape(json.dumps(settings))
    text = _SETTINGS.sub(lambda _: written, text)
    api = html.escape(str(settings["apiUrl"]))
    sheets = dict.fromkeys(_STYLESHEET.findall(text))
    style = "".join((static_dir / sheet.lstrip("/")).read_text("utf-8") for sheet in sheets)
    # React takes over the whole document, but for what it does not know in the head: nothing that it drew may be
    # missing, while attributes are not compared. The sheets stay for it, as ones that no screen waits for.
    text = _STYLESHEET.sub(lambda link: link[0].replace("<link ", '<link media="print" ', 1), text)
    text = text.replace('<link rel="modulepreload" ', '<link fetchpriority="low" rel="modulepreload" ')
    early = f'<link rel="preconnect" href="{api}" crossorigin="anonymous"/><style>{style}</style>'
    place = "<title>" if "<title>" in text else "</head>"
    return text.replace(place, f"{early}{place}", 1)
