"""The processes around a killed one: a database, a payment provider, a mail server, another API and another worker.

The other API and the other worker run in the process of the test. They repeat or take over what the killed process has
begun. The provider's webhooks wait until a flow delivers them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any, Literal

import httpx
import psycopg

from api.commands.audit import audit, report
from api.commands.reconcile import reconcile
from api.config import Settings
from api.database.embedded import PORT, EmbeddedServer
from api.database.pool import Pool, open_pool
from api.database.roles import APPLICATION
from api.payments.provider import Amount, PaymentProvider
from api.services.providers import open_payments
from api.settings.payments import WEBHOOK_PATH
from tests.faults.kills import victim
from tests.faults.kills.steps import Steps, Tap
from tests.faults.kills.victim import HOST, Api, Request, Response, Role, Worker, open_api, open_worker
from tests.listener import Listener, listening
from tests.mail_server import MailServer, running_mail_server
from tests.stack import (
    HTTP_TIMEOUT_S,
    PLAIN_HTTP,
    READY_TIMEOUT_S,
    Stack,
    application_url,
    cloned_database,
    temporary_directory,
)
from tests.waiting import read_until

Dialect = Literal["simulator", "stripe"]
ENVIRONMENT = {
    "PAYMENT_MODE": "async",
    "PAYMENT_SUCCESS_RATE": "1",
    "PAYMENT_CHECK_AFTER_MS": "100",
    "PROVIDER_TIMEOUT_MS": "200",
    "PROVIDER_BREAKER_FAILURES": "1000",
    "REFUNDS_PER_SECOND": "1000",
    "STATEMENT_TIMEOUT_MS": "20000",
    "DB_POOL_MAX": "2",
    "PSP_DELAY_MS": "0",
    "HELD_TICKETS_PER_ADDRESS": "0",
    "MESSAGES_PER_HOUR": "0",
    "MESSAGE_REQUESTS_PER_MINUTE": "0",
    "UNPAID_MESSAGES_PER_HOUR": "0",
    "SIGN_INS_PER_ADDRESS_PER_MINUTE": "0",
    "GUEST_ORDERS": "open",
    "API_PORT": HOST.partition(":")[2],
    "PUBLIC_WEB_URL": "https://tickets.example.org",
}
DIALECTS: Mapping[Dialect, Mapping[str, str]] = {
    "simulator": {},
    "stripe": {
        "PAYMENT_PROVIDER": "stripe",
        "STRIPE_API_KEY": "sk_test_1",
        "STRIPE_WEBHOOK_SECRETS": f"whsec_{'a' * 24}",
    },
}
_SIGNED = ("content-type", "webhook-", "stripe-")
"""The headers of a webhook that its delivery repeats begin with one of these."""
_OPEN = """
    select
        exists (select from payments where status in ('pending', 'refunding'))
        or exists (select from refunds where status in ('requested', 'pending'))
        or exists (select from webhooks where processed_at is null)
        or exists (select from checkouts where next_close_at <= now())
        or exists (select from cancellations where finished_at is null)
        or exists (select from messages where status = 'queued' and next_attempt_at is not null and kind <> 'held')
        or exists (
            select from order_events cross join feeds
            where feeds.name = 'mail' and (order_events.xact, order_events.id) > (feeds.xact, feeds.id)
        )
"""
_END_LEASES = (
    "update payments set next_check_at = now() where next_check_at > now()",
    "update refunds set next_check_at = now() where next_check_at > now()",
    "update messages set next_attempt_at = now() where attempts > 0 and next_attempt_at > now()",
)
"""Lets the time pass after which another worker takes over from a killed one."""


class World:
    """A system in which one process at a time is killed."""

    def __init__(
        self,
        *,
        dialect: Dialect,
        database_url: str,
        stack: Stack,
        taps: Mapping[str, Tap],
        steps: Steps,
        mail_server: MailServer,
        listener: Listener,
    ) -> None:
        self.dialect = dialect
        self.database_url = database_url
        self.settings = Settings.from_env(stack.environment)
        self.taps = taps
        self.steps = steps
        self.mail_server = mail_server
        self.conn: psycopg.AsyncConnection
        self.pool: Pool
        self.provider: PaymentProvider
        self.api: Api
        self.worker: Worker
        self.simulator: httpx.AsyncClient
        self._listener = listener
        self._delivered = 0
        provider_url = f"http://127.0.0.1:{taps['provider'].port}"
        database = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
        self._victim_environment = stack.environment | {
            "DATABASE_URL": f"postgresql://{APPLICATION}@127.0.0.1:{taps['database'].port}/{database}"
            "?sslmode=disable&gssencmode=disable",
            "PROVIDER_URL": provider_url,
            "STRIPE_API_URL": provider_url,
            "SMTP_URL": f"smtp://127.0.0.1:{taps['mail'].port}",
        }
        self._since = datetime.now(UTC) - timedelta(seconds=1)

    async def run_victim(
        self, role: Role, task: Any, kill_at: int, done: Callable[[], Awaitable[bool]] | None = None
    ) -> Any:
        """Run a process until its task is done and `done` holds, or until the kill at a step; return its result.

        `steps.killed` is set after a kill. The result is then None.
        """
        self.steps.begin()
        ours, theirs = victim.CONTEXT.Pipe()
        process = victim.CONTEXT.Process(target=victim.main, args=(role, self._victim_environment, task, theirs))
        process.start()
        theirs.close()
        try:
            await _receive(ours)
            self.steps.arm(kill_at, process.kill)
            ours.send(None)
            result = await _receive(ours)
            if result is None and not self.steps.killed.is_set():
                await asyncio.to_thread(process.join, READY_TIMEOUT_S)
                raise AssertionError(f"the {role} ended with {process.exitcode} before its result")
            if done and not self.steps.killed.is_set():
                await self._until_done(done)
            self.steps.disarm()
            if not self.steps.killed.is_set():
                ours.send(None)
                await asyncio.to_thread(process.join, READY_TIMEOUT_S)
                assert process.exitcode == 0, f"the {role} ended with {process.exitcode}"
        finally:
            self.steps.disarm()
            process.kill()
            await asyncio.to_thread(process.join, READY_TIMEOUT_S)
            ours.close()
        return None if self.steps.killed.is_set() else result

    async def _until_done(self, done: Callable[[], Awaitable[bool]]) -> None:
        """Wait for the background work of a process; only briefly if a fault may leave it to the worker."""
        faulty = any(tap.faults for tap in self.taps.values())

        async def ended() -> bool:
            return self.steps.killed.is_set() or await done()

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1 if faulty else None):
                await read_until(ended, bool)

    def webhooks(self) -> list[Request]:
        """Return the webhooks that the provider has sent since the last call, as requests to the API."""
        sent = self._listener.requests[self._delivered :]
        self._delivered = len(self._listener.requests)
        return [
            Request(
                *("POST", WEBHOOK_PATH),
                content=webhook.body,
                headers={name: value for name, value in webhook.headers.items() if name.startswith(_SIGNED)},
            )
            for webhook in sent
        ]

    def has_webhook(self, text: str, kind: str) -> bool:
        """Return True if a webhook of a kind that contains a text waits for its delivery."""
        waiting = self._listener.requests[self._delivered :]
        return any(text.encode() in webhook.body and kind.encode() in webhook.body for webhook in waiting)

    async def until_idle(self) -> None:
        """Deliver all webhooks and run the worker, until no payment, refund, message or cancellation is open."""

        async def is_idle() -> bool:
            for request in self.webhooks():
                await self.repeat(request)
            for statement in _END_LEASES:
                await self.conn.execute(statement)
            await self.worker.run()
            cursor = await self.conn.execute(_OPEN)
            return await cursor.fetchone() == (False,)

        await read_until(is_idle, bool)

    async def repeat(self, request: Request) -> Response:
        """Send a request to the other API, again while that is busy."""
        return await read_until(lambda: self.api.send(request), lambda response: response.status != 503)

    async def violations(self) -> list[str]:
        """Return the violations of the audit, and the differences between the provider and the database."""
        broken = await asyncio.to_thread(audit, self.database_url)
        differences = await reconcile(self.settings.database_url or "", self.settings, self._since)
        return [*([report(broken)] if broken else []), *map(str, differences)]

    async def query(self, statement: str, *parameters: object) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a statement."""
        return await (await self.conn.execute(statement, parameters)).fetchall()

    async def charges(self, reference: str) -> list[int]:
        """Return the amounts of an order's captured charges at the provider, in minor units."""
        if self.dialect == "stripe":
            intents = await self._stripe_objects("payment_intents", reference)
            return [intent["amount_received"] for intent in intents if intent["status"] == "succeeded"]
        charges = (await self.simulator.get("/charges")).json()
        captured = [charge for charge in charges if charge["status"] in {"captured", "refunded"}]
        return [charge["amount"] for charge in captured if charge["reference"] == reference]

    async def refunds(self, reference: str) -> list[int]:
        """Return the amounts of an order's refunds at the provider, in minor units and in ascending order."""
        if self.dialect == "stripe":
            refunds = await self._stripe_objects("refunds", reference)
        else:
            refunds = (await self.simulator.get("/refunds")).json()
            refunds = [refund for refund in refunds if refund["reference"] == reference]
        return sorted(refund["amount"] for refund in refunds if refund["status"] == "succeeded")

    async def _stripe_objects(self, kind: str, reference: str) -> list[dict[str, Any]]:
        headers = {"Authorization": "Bearer sk_test_1"}
        response = await self.simulator.get(f"/v1/{kind}", params={"limit": "100"}, headers=headers)
        found = response.raise_for_status().json()["data"]
        return [each for each in found if each["metadata"].get("reference") == reference]

    async def capture(self, reference: str, amount: Amount) -> None:
        """Charge an order at the provider, and wait for the webhook of its capture."""
        await self.provider.charge(reference, amount)

        async def captured() -> bool:
            return await self.provider.find(reference, amount) == "captured" and self.has_webhook(reference, "captured")

        await read_until(captured, bool)


async def _receive(control: Connection) -> Any:
    """Return the next object of a process; None if the process has ended."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(control.fileno(), readable.set)
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await readable.wait()
    finally:
        loop.remove_reader(control.fileno())
    try:
        return control.recv()
    except EOFError:
        return None


@contextlib.asynccontextmanager
async def open_world(server: EmbeddedServer, dialect: Dialect) -> AsyncIterator[World]:
    """Start the processes of a system on a database of its own, until the context ends."""
    async with contextlib.AsyncExitStack() as resources:
        url = resources.enter_context(cloned_database(server))
        directory = resources.enter_context(temporary_directory())
        listener = await resources.enter_async_context(listening())
        mail_server = await resources.enter_async_context(running_mail_server())
        environment = {
            **ENVIRONMENT,
            **DIALECTS[dialect],
            "PSP_WEBHOOK_URL": f"{listener.url}{WEBHOOK_PATH}",
            "SMTP_URL": mail_server.url,
        }
        stack = Stack(url, directory, environment)
        resources.push_async_callback(stack.stop)
        await stack.start_payment_simulator()
        steps = Steps()
        taps = {
            "database": Tap("postgres", server.cluster / f".s.PGSQL.{PORT}", steps),
            "provider": Tap("http", stack.psp_port, steps),
            "mail": Tap("smtp", mail_server.port, steps),
        }
        for tap in taps.values():
            await resources.enter_async_context(tap.running())
        world = World(
            dialect=dialect,
            database_url=url,
            stack=stack,
            taps=taps,
            steps=steps,
            mail_server=mail_server,
            listener=listener,
        )
        world.conn = await resources.enter_async_context(await psycopg.AsyncConnection.connect(url, autocommit=True))
        world.pool = await resources.enter_async_context(open_pool(application_url(url), world.settings))
        world.provider = await resources.enter_async_context(open_payments(world.settings, world.pool))
        world.worker = await resources.enter_async_context(open_worker(world.settings))
        world.api = await resources.enter_async_context(open_api(world.settings))
        world.simulator = await resources.enter_async_context(
            httpx.AsyncClient(base_url=stack.simulator_url, timeout=HTTP_TIMEOUT_S, verify=PLAIN_HTTP, trust_env=False)
        )
        yield world
