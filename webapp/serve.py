"""The web server: the built pages and their events on one port, without Node and without a build.

Events go to the origin that the page came from (`webapp/frontend.py`), and each page tells the API's public address
(`webapp/prerendered.py`), so one build serves every address.
"""

import asyncio
import gc
import logging
import os
import re
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from webapp.build import ROOT, STATIC_DIR, WEB_DIR
from webapp.prerendered import Document, Documents
from webapp.sharing import SharingError, check_redis, redis_url

_EVENTS_PREFIX = "/_reflex"
_HASHED_PREFIX = "/assets/"
_STOP_WITHIN_S = 5
# Connections that wait to be accepted, and those that are open. Granian's own 128 would be taken by a hundred
# browsers that keep theirs, and everyone else would wait for one of them to leave.
_BACKLOG = 1024
_CONNECTIONS_MAX = 20_000

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]


class ServeError(Exception):
    """The server cannot start; the message says why."""


def serve() -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ServeError: a variable is not allowed, the pages are not built, the port is taken, or Redis does not answer.
    """
    host = os.environ.get("API_HOST", "").strip() or "127.0.0.1"
    port = _number("WEB_PORT", 3000, 65535)
    api_url = _api_url()
    if not (STATIC_DIR / "index.html").is_file():
        raise ServeError("The web app is not built yet: run `python -m webapp build` (or `make web`).")
    settings = {"apiUrl": api_url, "ticketsMax": _number("MAX_TICKETS_PER_BOOKING", 10, 1000)}
    _check_free(host, port)
    if url := redis_url():
        try:
            check_redis(url)
        except SharingError as error:
            raise ServeError(str(error)) from None
    uvloop.run(_serve(Site(_reflex_app(), STATIC_DIR, settings), host, port))


class Site:
    """Reflex's application with what it lacks: the pages' addresses, security headers and cache rules."""

    def __init__(self, app: Asgi, static_dir: Path, settings: dict[str, Any]) -> None:
        self._app = app
        self._documents = Documents(static_dir, settings)
        self._files = {
            f"/{path.relative_to(static_dir).as_posix()}"
            for path in static_dir.rglob("*")
            if path.is_file() and path.suffix not in {".html", ".gz", ".br"}
        }
        self._headers = [
            (b"content-security-policy", _policy(settings["apiUrl"], self._documents.script_sources).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer for the pages; pass everything else on and complete its headers."""
        if scope["type"] != "http" or scope["path"].startswith(_EVENTS_PREFIX):
            await self._app(scope, receive, send)
        elif scope["path"] in self._files:
            await self._app(scope, receive, self._completing(scope["path"], send))
        elif scope["method"] in {"GET", "HEAD"}:
            await self._answer(scope, *self._documents.find(scope["path"]), send)
        else:
            headers = [(b"allow", b"GET, HEAD"), *self._headers]
            await send({"type": "http.response.start", "status": 405, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

    def _completing(self, path: str, send: Send) -> Send:
        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Built files carry a hash of their content in their names, so a name never changes meaning.
                cache = b"public, max-age=31536000, immutable" if path.startswith(_HASHED_PREFIX) else b"no-cache"
                message["headers"] = [*message["headers"], *self._headers, (b"cache-control", cache)]
            await send(message)

        return complete

    async def _answer(self, scope: Message, status: int, page: Document, send: Send) -> None:
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"vary", b"Accept-Encoding"),
            (b"etag", page.etag.encode()),
            *self._headers,
        ]
        body = b""
        if status == 200 and page.etag in asked.get(b"if-none-match", ""):
            status = 304
        else:
            body = page.body
            if "gzip" in asked.get(b"accept-encoding", ""):
                headers.append((b"content-encoding", b"gzip"))
                body = page.compressed
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _policy(api_url: str, script_sources: tuple[str, ...]) -> str:
    """Allow what the pages hold, and the API."""
    api = urlsplit(api_url)
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *script_sources)),
            # Widths of bars are style attributes, and a page's style stands in it.
            "style-src 'self' 'unsafe-inline'",
            # The API draws the tickets' codes.
            f"img-src 'self' data: {api.scheme}://{api.netloc}",
            f"connect-src 'self' {api.scheme}://{api.netloc}",
            "frame-ancestors 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "object-src 'none'",
        )
    )


def _reflex_app() -> Asgi:
    os.chdir(ROOT)
    os.environ.update(REFLEX_TELEMETRY_ENABLED="false", REFLEX_CHECK_LATEST_VERSION="false")
    # Imported late: a mistake in a variable is told without waiting a second for Reflex.
    from reflex.constants import Env  # noqa: PLC0415
    from reflex.environment import environment  # noqa: PLC0415

    environment.REFLEX_ENV_MODE.set(Env.PROD)
    environment.REFLEX_WEB_WORKDIR.set(WEB_DIR)
    environment.REFLEX_SKIP_COMPILE.set(True)
    environment.REFLEX_MOUNT_FRONTEND_COMPILED_APP.set(True)
    from reflex.utils.prerequisites import get_redis  # noqa: PLC0415

    from webapp.connections import Connections  # noqa: PLC0415
    from webapp.webapp import app  # noqa: PLC0415

    if app.sio is None:
        raise ServeError("Reflex has made no socket for the pages' events: its configuration has no State.")
    # Reflex knows one transport; the pages fall back to the other (`webapp/frontend.py`).
    app.sio.eio.transports = ["websocket", "polling"]
    redis = get_redis()
    if app.event_namespace is not None and redis is not None:
        app.event_namespace._token_manager = Connections(redis)  # noqa: SLF001 - Reflex lets nobody choose
    return app()


async def _serve(site: Asgi, host: str, port: int) -> None:
    logging.getLogger("_granian").setLevel(logging.ERROR)
    # One process, which leaves nothing behind. Several share their pages' State in Redis.
    server = Server(
        site,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS_MAX,
        log_enabled=False,
    )
    # What is loaded by now stays: no collection has to look through it while visitors wait.
    gc.collect()
    gc.freeze()
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopping.set)
    serving = asyncio.create_task(server.serve())
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        server.stop()  # type: ignore[no-untyped-call]
        # Browsers keep their connections open for as long as they are let.
        await asyncio.wait({serving}, timeout=_STOP_WITHIN_S)
    stop.cancel()
    if serving.done():
        await serving


def _number(variable: str, default: int, most: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
        return int(text)
    raise ServeError(f"{variable}={text!r} is not allowed: it must be a whole number from 1 to {most}.")


def _api_url() -> str:
    url = os.environ.get("PUBLIC_API_URL", "").strip().rstrip("/")
    if not url:
        return f"http://localhost:{_number('API_PORT', 3001, 65535)}"
    if not re.fullmatch(r"https?://[^/\s;,'\"]+(/[^\s;,'\"]*)?", url):
        raise ServeError(f"PUBLIC_API_URL={url!r} is not allowed: it must be an http or https address.")
    return url


def _check_free(host: str, port: int) -> None:
    """Find out before Reflex is loaded whether the port can be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServeError(f"Port {port} on {host} cannot be used: {error.strerror}.") from None
