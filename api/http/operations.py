"""The second listener of an API process, for operators. It responds even if buyers use up all other connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from api.config import Settings
from api.http.semantics import HttpSemantics
from api.logs import GRANIAN_LOGGING

_CONNECTIONS_MAX = 64
_STOP_WITHIN_S = 2


@contextlib.asynccontextmanager
async def serving_operations(app: HttpSemantics, settings: Settings) -> AsyncIterator[None]:
    """Serve an application without a lifespan on `operations_port` while the context lasts; on port 0, do nothing.

    All processes of the API listen on the same port, and the kernel distributes the connections.
    """
    if not settings.operations_port:
        yield
        return
    server = Server(
        app,
        address=settings.api_host,
        port=settings.operations_port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.header_timeout_ms),
        websockets=False,
        backpressure=_CONNECTIONS_MAX,
        log_level=LogLevels.error,
        log_dictconfig=GRANIAN_LOGGING,
    )
    task = asyncio.create_task(server.serve(), name="operations")
    try:
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({task}, timeout=_STOP_WITHIN_S)
        task.cancel()
