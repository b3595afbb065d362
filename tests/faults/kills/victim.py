"""The processes that the tests kill: an API process, a worker and a command, each with the product's own code.

They are forked from a server that has imported the product, so that a start takes a fraction of a second. A pipe to the
test carries the moment from which steps count, and the result.
"""

import asyncio
import contextlib
import multiprocessing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal, NamedTuple

import httpx
import psycopg

from api.app import create_app
from api.commands.cancel_event import Confirmation, cancel
from api.commands.worker import Job, jobs
from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import Pool, open_pool
from api.database.pooler import PoolerCheck
from api.fast_path import FastPath
from api.services.mail.delivery import Mailer
from api.services.providers import open_payments
from tests.in_process import running

Role = Literal["api", "worker", "command"]
PAUSE_S = 0.15
"""Pause between two runs of a job, after which open payments and refunds are due for a check."""
HOST = "127.0.0.1:3001"
"""Host and port of the requests. No process listens there."""
_IDLE_JOBS = ("beat", "give_up_messages", "record_disputes")
"""Jobs that no flow needs. The purges are left out, too."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *(__name__, "api.payments.stripe_gateway", "api.payments.stripe_webhooks"),
        *("anyio._backends._asyncio", "httpcore"),  # Every process would import them on demand.
    ]
)


class Request(NamedTuple):
    """A request to the API."""

    method: str
    path: str
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = {}


class Response(NamedTuple):
    """A response of the API. Header names are in lower case."""

    status: int
    content: bytes
    headers: Mapping[str, str]


class Worker:
    """The jobs of a worker, one after the other, so that each run has the same steps."""

    def __init__(self, pool: Pool, settings: Settings, all_jobs: Sequence[Job]) -> None:
        self._pool = pool
        self._settings = settings
        self._jobs = {
            job.name: job for job in all_jobs if not job.name.startswith("purge_") and job.name not in _IDLE_JOBS
        }

    async def run(self) -> None:
        """Run each job until it finds nothing to do."""
        await self.run_jobs(self._jobs)

    async def run_jobs(self, names: Iterable[str]) -> None:
        """Run some jobs, each until it finds nothing to do. As in a worker, a failed job runs again later."""
        run: set[str] = set()
        for name in names:
            if name in run:
                await asyncio.sleep(PAUSE_S)
            run.add(name)
            with contextlib.suppress(psycopg.Error, CommitUnknownError):
                while await self._jobs[name].run_once(self._pool, self._settings):
                    pass


@contextlib.asynccontextmanager
async def open_worker(settings: Settings) -> AsyncIterator[Worker]:
    """Open the connections of a worker until the context ends."""
    url = settings.database_url or ""
    async with open_pool(url, settings, PoolerCheck(url, settings).admit) as pool:
        await pool.wait()
        async with open_payments(settings, pool) as provider:
            yield Worker(pool, settings, jobs(provider, Mailer(settings)))


class Api:
    """The API and a client of it in one process."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, request: Request) -> Response:
        """Send a request, and return its response."""
        response = await self._client.request(
            *(request.method, request.path),
            json=request.json,
            content=request.content,
            headers={"Host": HOST, **request.headers},
        )
        return Response(response.status_code, response.content, dict(response.headers))


@contextlib.asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[Api]:
    """Run the API without a server until the context ends."""
    app: FastPath = create_app(settings)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with running(app):
        await app.app.state.pool.wait()
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            yield Api(client)


class _Control:
    """The pipe to the test."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self) -> None:
        """Report that the process is ready, and wait until its steps count."""
        self._connection.send(None)
        await asyncio.to_thread(self._connection.recv)

    async def end(self, result: Any) -> None:
        """Report the result, and wait until the background work may stop."""
        self._connection.send(result)
        await asyncio.to_thread(self._connection.recv)


async def _serve(settings: Settings, requests: Sequence[Request], control: _Control) -> None:
    async with open_api(settings) as api:
        await control.begin()
        await control.end([await api.send(request) for request in requests])


async def _work(settings: Settings, names: Sequence[str], control: _Control) -> None:
    async with open_worker(settings) as worker:
        await control.begin()
        await worker.run_jobs(names)
        await control.end(names)


async def _cancel(settings: Settings, confirmation: Confirmation, control: _Control) -> None:
    await control.begin()
    await control.end(await cancel_event(settings, confirmation))


async def cancel_event(settings: Settings, confirmation: Confirmation) -> int:
    """Run the command `cancel-event`; return its exit code."""
    url = settings.database_url or ""
    return await cancel(url, settings, confirmation.event, confirmation, lambda _: None, lambda _: None)


_ROLES: Mapping[Role, Callable[[Settings, Any, _Control], Awaitable[None]]] = {
    "api": _serve,
    "worker": _work,
    "command": _cancel,
}


def main(role: Role, environment: Mapping[str, str], task: Any, connection: Connection) -> None:
    """Run a process in a role until its task is done: its requests, jobs or confirmation."""
    asyncio.run(_ROLES[role](Settings.from_env(environment), task, _Control(connection)))  # type: ignore[arg-type]
