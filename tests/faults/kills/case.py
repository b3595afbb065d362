"""One run of a flow with a kill at a chosen step, and the facts that must hold after it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from api import schemas
from api.commands.cancel_event import Confirmation
from api.payments.provider import Amount
from api.services.bookings.model import Booked, Item, NewOrder
from api.services.order_rows import OrderRow
from api.services.payments import ChargeUpdate
from tests.faults.kills import victim
from tests.faults.kills.victim import Request, Response, Role
from tests.faults.kills.world import World
from tests.integration.asynchronous import apply_updates, book

USER = "user-123"
_END_HOLD = """
    with ended as (
        update orders set created_at = created_at - interval '10 min', expires_at = expires_at - interval '10 min'
        where reference = %s returning id
    ),
    released as (
        update tickets set held_until = held_until - interval '10 min'
        where held_until is not null and id in (select ticket_id from bookings join ended on ended.id = order_id)
    )
    update checkouts set next_close_at = now()
    where next_close_at is not null
        and payment_id in (select payments.id from payments join ended on ended.id = order_id)
"""


class Facts(NamedTuple):
    """An order and its money after all work is done. Amounts are in minor units and in ascending order."""

    order: str
    payment: str
    live: int
    """The tickets of the order."""
    charged: list[int]
    """The charges at the provider."""
    refunded: list[int]
    """The refunds at the provider, which have succeeded here, too."""
    announced: list[str]
    """The kinds of the messages about the order, in alphabetical order."""


class Case:
    """A run of a flow. Its acts run in processes that are killed at the next of `kills`, and then run again.

    Each number of `kills` counts the steps since the previous kill. After the last kill the other processes repeat the
    act that was interrupted, as a client or another worker does.
    """

    def __init__(self, world: World, name: str, kills: Sequence[int]) -> None:
        self.world = world
        self.reference = name
        self.email = f"{name}@example.org"
        self.kills_made: list[str] = []
        """The steps of the kills so far."""
        self.steps: list[str] = []
        """The steps of all killed and finished processes so far."""
        self._kills_left = list(kills)
        self._mails_before = len(world.mail_server.received)

    async def api(self, *requests: Request, done: Callable[[], Awaitable[bool]] | None = None) -> list[Response]:
        """Send requests to an API process one after the other, and repeat them after a kill.

        The process ends when `done` holds, for example when its background work is done.
        """
        responses: list[Response] | None = await self._act("api", requests, done)
        return responses or [await self.world.repeat(request) for request in requests]

    async def webhooks(self) -> None:
        """Deliver the webhooks that wait to an API process, the newest first and each twice."""
        if requests := self.world.webhooks():
            repeated = [request for request in reversed(requests) for _ in range(2)]
            for response in await self.api(*repeated, done=self._are_webhooks_settled):
                assert response.status // 100 == 2, response

    async def worker(self, *jobs: str) -> None:
        """Run jobs of a worker one after the other. After the last kill `World.until_idle` runs all jobs."""
        await self._act("worker", jobs, None)

    async def command(self, confirmation: Confirmation) -> None:
        """Run the command `cancel-event`; repeat it after a kill unless the event is cancelled."""

        async def cancelled() -> bool:
            return bool(
                await self.world.query(
                    "select from events where slug = %s and cancelled_at is not null", confirmation.event
                )
            )

        if await self._act("command", confirmation, None, cancelled) is None and not await cancelled():
            assert await victim.cancel_event(self.world.settings, confirmation) == 0

    async def _act(
        self,
        role: Role,
        task: Any,
        done: Callable[[], Awaitable[bool]] | None,
        is_over: Callable[[], Awaitable[bool]] | None = None,
    ) -> Any:
        """Run a task in processes, of which each is killed while kills are left; return None after the last kill.

        After a kill `is_over` tells that a repetition is an error, as the lost response was a success.
        """
        while self._kills_left and not (is_over and self.kills_made and await is_over()):
            result = await self.world.run_victim(role, task, self._kills_left[0], done)
            passed = self.world.steps.passed
            self.steps += passed
            if not self.world.steps.killed.is_set():
                self._kills_left[0] -= len(passed)
                return result
            self.kills_made.append(f"step {len(self.steps)} ({role}, {passed[-1]})")
            self._kills_left.pop(0)
        return None

    async def _are_webhooks_settled(self) -> bool:
        return not await self.world.query("select from webhooks where processed_at is null")

    async def hold(self, reference: str = "", tier: str = "GA", quantity: int = 2, **changes: Any) -> OrderRow:
        """Hold tickets for an order, by default for the order of this case with its address."""
        own = {"email": self.email} if not reference else {}
        values = {"reference": reference or self.reference, "event": schemas.BUILT_IN_EVENT, "user_id": USER}
        item = Item(tier=tier, quantity=quantity, ticket_ids=changes.pop("ticket_ids", ()))
        order = NewOrder(**{**values, **own, "items": (item,), **changes})
        (outcome,) = await book(self.world.pool, order, settings=self.world.settings)
        assert isinstance(outcome, Booked), outcome
        return outcome.order

    async def charge(self, order: OrderRow) -> None:
        """Charge an order at the provider. Its webhooks wait."""
        await self.world.capture(order.reference, Amount(order.total_minor, order.currency))

    async def pay(self, order: OrderRow) -> None:
        """Charge an order and confirm it, without a webhook."""
        await self.charge(order)
        self.world.webhooks()
        captured: dict[str, ChargeUpdate] = {order.reference: "captured"}
        await apply_updates(self.world.pool, captured)

    async def end_hold(self, reference: str = "") -> None:
        """Let the hold of an order end, by default of the order of this case."""
        await self.world.conn.execute(_END_HOLD, [reference or self.reference])

    async def facts(self, reference: str = "") -> Facts:
        """Return the facts of an order, by default of the order of this case."""
        reference = reference or self.reference
        ((order_id, status, payment, live),) = await self.world.query(
            """
            select orders.id, orders.status, payments.status,
                (select count(*) from bookings where order_id = orders.id and released_at is null)
            from orders join payments on payments.order_id = orders.id where reference = %s
            """,
            reference,
        )
        refunds = await self.world.query(
            """
            select refunds.amount_minor, refunds.status from refunds join payments on payments.id = payment_id
            where order_id = %s order by 1
            """,
            order_id,
        )
        refunded = await self.world.refunds(reference)
        assert refunds == [(amount, "succeeded") for amount in refunded], f"{refunds}, at the provider {refunded}"
        announced = await self.world.query(
            "select kind from messages where order_id = %s and kind <> 'held' order by 1", order_id
        )
        charged = await self.world.charges(reference)
        return Facts(status, payment, live, charged, refunded, [kind for (kind,) in announced])

    async def check(self, *expected: Facts) -> None:
        """Wait until all work is done; check the order of this case, the mails, the audit and the reconciliation.

        `expected` are the possible facts of the order; none for a flow without an order.

        Raises:
            AssertionError: something is lost or done twice.
        """
        await self.world.until_idle()
        if expected:
            found = await self.facts()
            assert found in expected, f"{found}, not {expected}"
        await self._check_mails()
        violations = await self.world.violations()
        assert not violations, "\n".join(violations)

    async def _check_mails(self) -> None:
        """Check that each message was sent once, or again under the same id after a kill."""
        received = self.world.mail_server.received[self._mails_before :]
        copies = Counter(str(mail["Message-ID"]) for _, _, mail in received)
        texts = {str((mail["Message-ID"], recipients, mail["Subject"])) for _, recipients, mail in received}
        assert len(texts) == len(copies), f"a message has several contents: {texts}"
        assert all(count <= 1 + len(self.kills_made) for count in copies.values()), f"sent too often: {copies}"
        sent = await self.world.query(
            "select message_id from messages where status = 'sent' and message_id = any(%s)", list(copies)
        )
        assert {message_id for (message_id,) in sent} == set(copies), f"received {copies}, but sent {sent}"
        lost = await self.world.query("select id, kind from messages where status not in ('sent', 'skipped', 'queued')")
        assert not lost, f"given up: {lost}"
