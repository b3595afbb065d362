"""The web server. It serves the site's files with this installation's settings, without Node and Reflex."""

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import resource
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from servestatic import ServeStaticASGI

from webapp.apps import APPS
from webapp.build import BuildError, is_built
from webapp.prerendered import MISSING_PAGE, file_of, write_site
from webapp.settings import ConnectionLimits, PageSettings, address, runtime_dir

_log = logging.getLogger(__name__)

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
"""The format of the API's log records, so that the output of `make run` names the process of each record."""
_HASHED_PREFIXES = tuple(f"{app.path}/assets/" for app in APPS)
_OTHER_PORT_HELPS = (errno.EADDRINUSE, errno.EACCES)
_STOP_WITHIN_S = 5
_BACKLOG = 1024
"""Connections that wait to be accepted."""
_HEADERS_BYTES_MAX = 65_536
"""Memory of one connection for the headers of a request."""
_LISTENER_POLL_S = 0.1
_LISTENER_ATTEMPTS = 100
_OTHER_FILES_MAX = 200
"""Open files of the process that are no connections."""
_HEADERS = {
    # The pages carry the rest of the policy, but browsers read this rule from a header only.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""The headers of every response, errors included."""
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class ServeError(Exception):
    """The server cannot start. The message states the reason."""


def serve() -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingError: a variable is not allowed.
        BuildError: the site is not built, or a page lacks a text that `prerendered` replaces.
        ServeError: the host is not one of this machine, or the port is taken.
    """
    host, port = address()
    settings, limits = PageSettings.from_env(), ConnectionLimits.from_env()
    host = resolve_free(host, port, "WEB_PORT")
    directory = runtime_dir(port)
    try:
        _write_anew(directory, settings)
        uvloop.run(run_server(Site(directory), host, port, limits))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _write_anew(directory: Path, settings: PageSettings) -> None:
    shutil.rmtree(directory, ignore_errors=True)  # A killed server on this port left it behind.
    try:
        for private in (directory.parent.parent, directory.parent, directory):
            private.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_files(directory, settings)
    except OSError as error:
        raise ServeError(f"The site cannot be written to {directory} ({error.strerror}).") from None


def write_files(directory: Path, settings: PageSettings) -> None:
    """Write the site's files for any file server.

    Raises:
        BuildError: the site is not built, or a page lacks a text that `prerendered` replaces.
        ServeError: the directory is not empty.
    """
    if not all(map(is_built, APPS)):
        raise BuildError("The web app is not built yet: run `python -m webapp build` (or `make web`).")
    if directory.is_dir() and any(directory.iterdir()):
        raise ServeError(f"{directory} is not empty: name a new directory.")
    for app in APPS:
        write_site(app.build_dir, directory, settings, app)


class Site:
    """An ASGI application that serves the site's files under the pages' addresses."""

    def __init__(self, directory: Path) -> None:
        self._files = ServeStaticASGI(
            self._missing,
            root=directory,
            max_age=None,
            allow_all_origins=False,
            add_headers_function=_add_headers,
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a file, the page of an address, or the page for unknown addresses."""
        if scope["type"] != "http":
            return

        async def send_complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _RAW_HEADERS if h[0] not in present)]
            await send(message)

        path = scope["path"] if scope["path"] in self._files.files else file_of(scope["path"])
        headers = _simplified(scope["headers"], getattr(self._files.files.get(path), "etag", ""))
        await self._files({**scope, "path": path, "headers": headers}, receive, send_complete)

    async def _missing(self, scope: Message, receive: Receive, send: Send) -> None:
        async def as_missing(message: Message) -> None:
            if message.get("status") == 200:
                message["status"] = 404
            await send(message)

        await self._files({**scope, "path": MISSING_PAGE}, receive, as_missing)


def _simplified(headers: Iterable[tuple[bytes, bytes]], etag: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request for a file as the file server understands them (RFC 9110).

    The file server compares the whole of `If-None-Match` with the ETag, without its weakness. A proxy that compresses
    weakens ETags. The file server also sends a range of a file that has changed since the first range.
    """
    wanted = b",".join(value for name, value in headers if name == b"if-none-match")
    matches = wanted.strip() == b"*" or (bool(etag) and etag.encode() in wanted)
    dropped = {b"if-none-match"} if matches else set()
    if any(name == b"if-range" for name, _ in headers):
        dropped.add(b"range")
    kept = [header for header in headers if header[0] not in dropped]
    return [*kept, (b"if-none-match", etag.encode())] if matches else kept


def _add_headers(headers: Headers, path: str, url: str) -> None:
    # The name of a built file contains a hash of its content, so the content of a name never changes.
    immutable = url.startswith(_HASHED_PREFIXES)
    headers["Cache-Control"] = "public, max-age=31536000, immutable" if immutable else "no-cache"
    headers["ETag"] = f'"{hashlib.sha256(Path(path).read_bytes()).hexdigest()[:24]}"'


def _possible_connections(wanted: int) -> int:
    """Raise the process's limit of open files as far as allowed; return the number of connections that it admits.

    `api/server/sockets.py` has a function of its own for the API, because the API and the web app do not import each
    other.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = wanted + _OTHER_FILES_MAX
    if soft != resource.RLIM_INFINITY and soft < files:
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= files:
        return wanted
    possible = max(1, soft - _OTHER_FILES_MAX)
    _log.warning(
        "CONNECTIONS_MAX=%d and %d files for other purposes exceed the limit of %d open files: serving %d connections",
        wanted,
        _OTHER_FILES_MAX,
        soft,
        possible,
    )
    return possible


async def _limit_unread_responses(port: int, timeout_ms: int) -> None:
    """Let the kernel close connections whose client accepts no part of a response; on Linux only.

    The server has no such limit. Connections inherit the option from the listening socket, which opens later.
    `api/server/sockets.py` has a function of its own for the API, because the API and the web app do not import each
    other.
    """
    for _ in range(_LISTENER_ATTEMPTS):
        if not hasattr(socket, "TCP_USER_TIMEOUT") or _set_user_timeout(port, timeout_ms):
            return
        await asyncio.sleep(_LISTENER_POLL_S)


def _set_user_timeout(port: int, timeout_ms: int) -> bool:
    """Set the option of the socket that listens on a port; return False if there is none yet."""
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if not str(file.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(file.name))) as listener:
                is_tcp = listener.family in (socket.AF_INET, socket.AF_INET6) and listener.type == socket.SOCK_STREAM
                is_listening = is_tcp and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if is_listening and listener.getsockname()[1] == port:
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
                    return True
    return False


async def run_server(
    application: Application, host: str, port: int, limits: ConnectionLimits, *, stateful: bool = False
) -> None:
    """Run an ASGI application until SIGTERM or SIGINT. A stateful one has websockets, and a start and an end."""
    logging.basicConfig(format=_LOG_FORMAT)
    logging.getLogger("_granian").setLevel(logging.ERROR)
    server = Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.ASGI if stateful else Interfaces.ASGINL,
        backlog=_BACKLOG,
        backpressure=_possible_connections(limits.connections_max),
        http=HTTPModes.http1,  # The timeout of the headers does not apply before the version is known.
        http1_settings=HTTP1Settings(header_read_timeout=limits.header_timeout_ms, max_buffer_size=_HEADERS_BYTES_MAX),
        websockets=stateful,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    serving = asyncio.create_task(server.serve())
    limiting = asyncio.create_task(_limit_unread_responses(port, limits.write_timeout_ms))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        server.stop()  # type: ignore[no-untyped-call]
        # Browsers keep idle connections open, so the wait has a limit.
        await asyncio.wait({serving}, timeout=_STOP_WITHIN_S)
    stop.cancel()
    limiting.cancel()
    if serving.done():
        await serving


def resolve_free(host: str, port: int, variable: str) -> str:
    """Return the IP address of a host on which the port is free, before anything else starts.

    Raises:
        ServeError: the host is not one of this machine, or the port is taken. The message names the variable.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ServeError(f"API_HOST={host!r} has no address ({error.strerror}).") from None
    # Some programs resolve a name to its IPv4 addresses only.
    family, _, _, _, place = min(found, key=lambda each: each[0] != socket.AF_INET)
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            advice = f" Choose another with {variable}." if error.errno in _OTHER_PORT_HELPS else ""
            raise ServeError(f"Port {port} on {host} cannot be used: {error.strerror}.{advice}") from None
    return str(place[0])
