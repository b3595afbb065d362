"""The server of the staff pages' State: websockets from our own pages, each with a State of its session.

The buyers' pages never connect to it. The pages themselves are files, which any web server serves.
"""

import hashlib
import importlib
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import uvloop

from webapp.apps import STAFF
from webapp.serve import resolve_free, run_server
from webapp.settings import Network, StaffLimits, StaffSettings
from webapp.staff.api import Api, session_cookie
from webapp.staff.clients import client_network
from webapp.staff.strangers import has_token, limited, protect

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

LIVE_PATH = "/health/live"
EVENTS_PATH = f"{STAFF.path}/_event"
_API_TIMEOUT_S = 10.0
_ENVIRONMENT = {
    **STAFF.environment,
    # Reflex's name for a process that runs an app which is built already.
    "__REFLEX_SKIP_COMPILE": "true",
    "REFLEX_TELEMETRY_ENABLED": "false",
    "REFLEX_CHECK_LATEST_VERSION": "false",
    # A longer message than this ends its connection.
    "REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE": "65536",
}


def serve_staff() -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingError: a variable is not allowed.
        ServeError: the host is not one of this machine, or the port is taken.
    """
    settings = StaffSettings.from_env()
    host = resolve_free(settings.host, settings.port, "STAFF_PORT")
    uvloop.run(_serve(settings, host))


async def _serve(settings: StaffSettings, host: str) -> None:
    async with httpx.AsyncClient(base_url=settings.api_url, timeout=_API_TIMEOUT_S, trust_env=False) as client:
        application = load_application(Api(client, settings.origins[0], settings.limits), settings.limits)
        server = StaffServer(application, settings.origins, settings.trusted, settings.limits)
        await run_server(server, host, settings.port, settings.connections, stateful=True)


def load_application(api: Api, limits: StaffLimits) -> Application:
    """Return Reflex's application, whose event handlers use a client of the API."""
    os.environ.update(_ENVIRONMENT)  # Reflex reads it during the import.
    importlib.import_module("webapp.staff.session").use_api(api)
    app = importlib.import_module(STAFF.module).app
    application: Application = app()
    registered = importlib.import_module("reflex_base.registry").RegistrationContext.get()
    protect(app, {name: found.handler.fn for name, found in registered.event_handlers.items()}, limits.states_max)
    return application


class StaffServer:
    """An ASGI application that admits websockets of our own pages, and binds each to the session in its cookie.

    Args:
        application: Reflex's application.
        origins: the origins of our own pages.
        trusted: the networks of the proxies whose `X-Forwarded-For` is believed.
        limits: the limits of each connection.
    """

    def __init__(
        self, application: Application, origins: tuple[str, ...], trusted: tuple[Network, ...], limits: StaffLimits
    ) -> None:
        self._application = application
        self._trusted = trusted
        self._limits = limits
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on an admitted websocket; refuse other ones, and serve no other path than that of the health check."""
        match scope["type"]:
            case "lifespan":
                await self._application(scope, receive, send)
            case "websocket" if scope["path"].rstrip("/") == EVENTS_PATH and self._is_own(scope) and has_token(scope):
                peer = scope["client"][0] if scope.get("client") else ""
                client = (client_network(peer, scope["headers"], self._trusted), 0)
                bound = {**scope, "query_string": bound_query(scope), "client": client}
                await self._application(bound, limited(receive, self._limits), send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1008})
            case _:
                status = 200 if scope["path"] == LIVE_PATH else 404
                headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": b"ok\n" if status == 200 else b"not found\n"})

    def _is_own(self, scope: Message) -> bool:
        """Return True if a page of ours opens a websocket. Browsers state the origin of every websocket's page."""
        return [value for name, value in scope["headers"] if name == b"origin"] in ([own] for own in self._origins)


def bound_query(scope: Message) -> bytes:
    """Return the query of a websocket, with a key of the State that only this cookie and this tab's token give.

    The token alone would give everyone who has it the State of its tab, with the data of another session.
    """
    header = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
    cookie = session_cookie(header)
    parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return urlencode([(name, _key(cookie, value) if name == "token" else value) for name, value in parameters]).encode()


def _key(cookie: str, token: str) -> str:
    return hashlib.sha256(f"{cookie}\0{token}".encode()).hexdigest()
