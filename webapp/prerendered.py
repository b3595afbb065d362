"""The site's files: the pages that the build rendered, completed with the settings of one installation.

The build contains no address. This module writes the settings into an attribute of each page, so that one build serves
every `WEB_PORT` and every `PUBLIC_API_URL`. It also puts the style into each page and lets scripts wait, so that a page
shows before its scripts arrive. Each page carries its own content security policy, which works on any file server.
"""

import base64
import gzip
import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import brotli

from webapp.apps import BUYERS, STAFF, App
from webapp.build import BuildError
from webapp.settings import PageSettings

SETTINGS_ID = "settings"
"""The id of the element with the settings. The build leaves it empty, and settings.js reads it."""
DEMONSTRATION = "demonstration"
"""The class of the sentence that nobody is charged. The style hides it on an installation that takes money."""
MISSING_PAGE = "/404.html"
WORKER = "/sw.js"
"""The service worker. Its address decides the pages that it may serve."""

_WORKER_SOURCE = Path(__file__).parent / "js" / "offline" / "service_worker.js"
_BUILD = re.compile(r'(?<=^const BUILD = )\{ version: "", files: \[\] \}(?=;$)', re.MULTILINE)
_UNUSED = {"404.html", f"{STAFF.path.lstrip('/')}.html"}
"""Staff pages that no address needs: unknown addresses get the buyers' page, and the other one is a copy."""
_OFFLINE = ("/booking/_/index.html", "/favicon.svg")
"""Files without a network, besides the assets."""
_STORED = {".js", ".css", ".woff2"}
"""The kinds of assets without a network."""

_SETTINGS = re.compile(r'(?<= data-settings=")\{\}(?=")')
_HEAD = re.compile("<head>")
_END_OF_META = re.compile("<title>|</head>")
_STYLESHEET = re.compile(r'<link\b[^>]*\bhref="((?:/staff)?/assets/[^"]+\.css)"[^>]*>')
# React Router's script restores the scroll position. In a browser that blocks storage its error handling fails as well.
_SCROLL_ERROR = re.compile(r"console\.error\(error\);\s*sessionStorage\.removeItem\(storageKey\);")
_PRELOAD = re.compile('<link (?=rel="modulepreload" )')
_EXECUTED_SCRIPT = re.compile(r'<script(?![^>]*\b(?:src=|type="application/json"))[^>]*>(.*?)</script>', re.DOTALL)

# The default of 11 takes most of the server's start, and makes pages only 2 % smaller.
_BROTLI_QUALITY = 10


def write_site(build_dir: Path, directory: Path, settings: PageSettings, app: App = BUYERS) -> None:
    """Write the complete files of an app's build into a directory.

    Raises:
        BuildError: a page of the build lacks a text that this module replaces.
    """
    for source in _files(build_dir):
        if source.suffix != ".html" and source.with_suffix("").suffix != ".html":
            target = directory / source.relative_to(build_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for source in build_dir.rglob("*.html"):
        if not source.name.startswith("__") and (app == BUYERS or source.name not in _UNUSED):
            file = file_of(_address(source.relative_to(build_dir)))
            page = _complete(source.read_text("utf-8"), file, build_dir, settings, app).encode()
            target = directory / file.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(page)
            target.with_name(f"{target.name}.gz").write_bytes(gzip.compress(page, mtime=0))
            target.with_name(f"{target.name}.br").write_bytes(brotli.compress(page, quality=_BROTLI_QUALITY))
    if app == BUYERS:
        _write_worker(directory)


def _write_worker(directory: Path) -> None:
    """Write the service worker. It differs with the build and the settings, so that browsers fetch the new files."""
    assets = (f"/{path.relative_to(directory)}" for path in _files(directory / "assets") if path.suffix in _STORED)
    files = [file for file in (*_OFFLINE, *sorted(assets)) if (directory / file.lstrip("/")).is_file()]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.encode() + hashlib.sha256((directory / file.lstrip("/")).read_bytes()).digest())
    build = json.dumps({"version": digest.hexdigest()[:16], "files": files})
    (directory / WORKER.lstrip("/")).write_text(_replace(_WORKER_SOURCE.read_text("utf-8"), _BUILD, build), "utf-8")


def file_of(path: str) -> str:
    """Return the file of a page's address: `/bookings/index.html` for `/bookings`.

    One file serves all addresses that differ in a name: `/event/_/index.html` is the page of every event.
    """
    address = path.rstrip("/")
    for rendered in BUYERS.rendered_paths:
        prefix = rendered.removesuffix("_")
        if address.startswith(prefix) and "/" not in address.removeprefix(prefix):
            address = rendered
    return MISSING_PAGE if address == "/404" else f"{address}/index.html"


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def _address(file: Path) -> str:
    """Return the address of a built page: `/bookings` for `bookings/index.html` and for `bookings.html`."""
    parts = file.with_suffix("").parts
    return "/" + "/".join(parts[:-1] if parts[-1] == "index" else parts)


def _complete(page: str, file: str, build_dir: Path, settings: PageSettings, app: App) -> str:
    page = _replace(page, _SETTINGS, html.escape(json.dumps(_values(app, settings))))
    sheets = dict.fromkeys(_STYLESHEET.findall(page))
    style = "".join((build_dir / sheet.lstrip("/")).read_text("utf-8") for sheet in sheets)
    if settings.charges:
        style += f".{DEMONSTRATION}{{display:none}}"
    # React hydrates the whole document. It ignores changed attributes and foreign elements, but every element that it
    # rendered must be in the head. The sheets therefore stay, for a medium that does not delay the screen.
    page = _replace(page, _STYLESHEET, lambda link: link[0].replace("<link ", '<link media="print" ', 1))
    page = _replace(page, _PRELOAD, '<link fetchpriority="low" ')
    if file != MISSING_PAGE:  # This page does not restore the scroll position.
        page = _replace(page, _SCROLL_ERROR, "")
    early = f'<link rel="preconnect" href="{html.escape(_server(app, settings))}" crossorigin="anonymous"/>'
    early = f"{early}<style>{style}</style>"
    page = _replace(page, _END_OF_META, lambda tag: f"{early}{tag[0]}", times=1)
    policy = html.escape(_policy(app, settings, _EXECUTED_SCRIPT.findall(page)))
    # Browsers search the first kilobyte for the encoding, and apply the policy to the content after it.
    first = f'<meta charset="utf-8"/><meta http-equiv="Content-Security-Policy" content="{policy}"/>'
    return _replace(page, _HEAD, f"<head>{first}", times=1)


def _replace(page: str, pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str], *, times: int = 0) -> str:
    """Replace the matches of a pattern, at most `times` of them; 0 replaces all.

    Raises:
        BuildError: the page has no match.
    """
    page, count = pattern.subn(by if callable(by) else lambda _: by, page, times)
    if count == 0:
        raise BuildError(
            f"The built pages have changed: adapt webapp/prerendered.py, which looks for {pattern.pattern!r}."
        )
    return page


def _values(app: App, settings: PageSettings) -> dict[str, object]:
    """Return the settings that the pages of an app read."""
    if app == STAFF:
        return {"staffUrl": settings.staff_url}
    return {"apiUrl": settings.api_url, "openOrders": settings.open_orders}


def _server(app: App, settings: PageSettings) -> str:
    """Return the address of the server that the pages of an app use."""
    return settings.staff_url if app == STAFF else settings.api_url


def _policy(app: App, settings: PageSettings, scripts: list[str]) -> str:
    """Return a content security policy that allows the page's own parts, and the server of its app."""
    digests = sorted({base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts})
    server = urlsplit(_server(app, settings))
    origin = f"{server.scheme}://{server.netloc}"
    # `https:` does not include `wss:` in the browsers that compare the schemes as older versions of the standard say.
    connected = origin if app != STAFF else f"{origin.replace('http', 'ws', 1)}"
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *(f"'sha256-{digest}'" for digest in digests))),
            # Widths of bars are style attributes, and each page contains its own style.
            "style-src 'self' 'unsafe-inline'",
            # The API draws the tickets' codes.
            f"img-src 'self' data: {origin}" if app != STAFF else "img-src 'self' data:",
            f"connect-src 'self' {connected}",
            "base-uri 'self'",
            "form-action 'self'",
            "worker-src 'self'",
            "object-src 'none'",
        )
    )
