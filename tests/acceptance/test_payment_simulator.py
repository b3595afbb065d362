"""`python -m api psp`: the simulated provider as its customers see it, over HTTP and by its webhooks."""

import asyncio
import contextlib
import socket
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.config import WEBHOOK_SECRET, Settings
from api.payments.http_provider import HttpProvider, open_provider
from api.payments.provider import Amount
from api.payments.signatures import Webhook, verify
from api.payments.simulator import decide
from api.secret import load_or_create_secret
from tests.acceptance.system import PROBLEM
from tests.listener import Answer, Listener, Request, listening
from tests.stack import HTTP_TIMEOUT_S, POLL_S, READY_TIMEOUT_S, Process, Stack, clean_environment, temporary_directory

DELAY_MS = 100
MANY = 30


class Shop:
    """A customer of the provider: the provider's process, its client and what it told by webhook."""

    def __init__(self, stack: Stack, listener: Listener, provider: HttpProvider, client: httpx.AsyncClient) -> None:
        self.stack = stack
        self.listener = listener
        self.provider = provider
        self.client = client
        self.secret = load_or_create_secret(Settings.from_env(stack.environment), WEBHOOK_SECRET)

    def told(self) -> list[Webhook]:
        """Return the webhooks in the order of their arrival; each must be signed."""
        return [verify(self.secret, request.body, request.headers) for request in self.listener.requests]

    def told_of(self, reference: str) -> list[str | None]:
        return [webhook.status for webhook in self.told() if webhook.reference == reference]

    async def until_told(self, count: int) -> None:
        """Wait until this many different webhooks have come."""
        await self.listener.until(lambda: len({webhook.id for webhook in self.told()}) >= count)

    async def until_decided(self, reference: str) -> None:
        """Wait until a charge is not processing any more, whatever is told of it."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while await self.provider.find(reference) == "processing":
            assert time.monotonic() < deadline
            await asyncio.sleep(POLL_S)

    async def ledger(self) -> dict[str, dict[str, Any]]:
        charges = (await self.client.get("/charges")).json()
        return {charge["reference"]: charge for charge in charges}


@contextlib.asynccontextmanager
async def open_shop(
    answer: Callable[[Request], Answer] = lambda _: Answer(), **environment: str
) -> AsyncIterator[Shop]:
    with temporary_directory() as directory:
        async with listening(answer) as listener:
            webhook_url = f"{listener.url}/hook?shop=1"
            defaults = {"PSP_DELAY_MS": str(DELAY_MS), "PAYMENT_SUCCESS_RATE": "1", "PSP_WEBHOOK_URL": webhook_url}
            stack = Stack("postgresql:///none", directory, defaults | environment)
            try:
                await stack.start_psp()
                settings = Settings.from_env(stack.environment | {"PROVIDER_TIMEOUT_MS": "10000"})
                async with (
                    open_provider(settings) as provider,
                    httpx.AsyncClient(base_url=stack.psp_url, trust_env=False, timeout=HTTP_TIMEOUT_S) as client,
                ):
                    yield Shop(stack, listener, provider, client)
            except BaseException:
                print(stack.logs())  # noqa: T201 - pytest shows it with the failure
                raise
            finally:
                await stack.stop()


@pytest.fixture
async def psp() -> AsyncIterator[httpx.AsyncClient]:
    async with open_shop() as shop:
        yield shop.client


async def test_a_charge_is_taken_decided_and_told_in_signed_webhooks() -> None:
    async with open_shop() as shop:
        taken = await shop.client.post("/charges", json={"reference": "bk_1", "amount": 12_50, "currency": "USD"})
        charge = {"reference": "bk_1", "amount": 12_50, "currency": "USD", "status": "processing"}
        assert (taken.status_code, taken.json()) == (202, charge)
        await shop.until_told(2)
        assert await shop.ledger() == {"bk_1": charge | {"status": "captured"}}
        assert await shop.provider.find("bk_1") == "captured"
        processing, captured = shop.told()
        assert (processing.type, captured.type) == ("charge.processing", "charge.captured")
        assert (captured.reference, captured.amount_minor, captured.currency) == ("bk_1", 12_50, "USD")
        first = shop.listener.requests[0]
        assert (first.method, first.path) == ("POST", "/hook?shop=1")
        assert first.headers["content-type"] == "application/json"


async def test_the_outcome_is_that_of_the_simulator() -> None:
    rate = 0.5
    async with open_shop(PAYMENT_SUCCESS_RATE=str(rate)) as shop:
        references = [f"bk_{number}" for number in range(MANY)]
        await asyncio.gather(*(shop.provider.charge(reference, Amount(1, "USD")) for reference in references))
        await shop.until_told(2 * MANY)
        outcomes = {reference: decide(reference, rate) for reference in references}
        assert len(set(outcomes.values())) == 2
        assert {reference: charge["status"] for reference, charge in (await shop.ledger()).items()} == outcomes
        assert {reference: shop.told_of(reference)[-1] for reference in references} == outcomes


async def test_repeats_charge_once_and_are_answered_how_it_stands() -> None:
    async with open_shop() as shop:
        body = {"reference": "bk_1", "amount": 5, "currency": "USD"}
        answers = await asyncio.gather(*(shop.client.post("/charges", json=body) for _ in range(MANY)))
        assert {answer.status_code for answer in answers} == {202}
        await shop.until_told(2)
        assert (await shop.client.post("/charges", json=body)).json()["status"] == "captured"
        for other in ({"amount": 6}, {"currency": "EUR"}):
            refused = await shop.client.post("/charges", json=body | other)
            assert (refused.status_code, refused.json()["code"]) == (422, "key_reused")
        await shop.provider.refund("bk_1")
        await shop.until_told(3)
        assert [webhook.status for webhook in shop.told()] == ["processing", "captured", "refunded"]
        assert len(await shop.ledger()) == 1


async def test_what_was_captured_is_refunded_once() -> None:
    async with open_shop(PSP_DELAY_MS="0") as shop:
        await shop.provider.charge("bk_1", Amount(5, "USD"))
        await shop.until_told(2)
        answers = await asyncio.gather(*(shop.client.post("/charges/bk_1/refund") for _ in range(MANY)))
        assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, "refunded")}
        await shop.provider.charge("bk_2", Amount(5, "USD"))
        await shop.until_told(5)
        assert shop.told_of("bk_1") == ["processing", "captured", "refunded"]
        assert await shop.provider.find("bk_1") == "refunded"


async def test_what_was_not_captured_is_not_refunded() -> None:
    async with open_shop(PAYMENT_SUCCESS_RATE="0") as shop:
        await shop.provider.charge("bk_1", Amount(5, "USD"))
        processing = await shop.client.post("/charges/bk_1/refund")
        await shop.until_told(2)
        declined = await shop.client.post("/charges/bk_1/refund")
        for refused in (processing, declined):
            assert (refused.status_code, refused.json()["code"]) == (409, "not_cancellable")
        assert (await shop.client.post("/charges/bk_2/refund")).status_code == 404
        assert await shop.provider.find("bk_2") is None


async def test_any_reference_of_a_booking_can_be_charged_and_refunded() -> None:
    async with open_shop(PSP_DELAY_MS="0") as shop:
        references = [".", "..", "a..b", "a:b~c+d=e@f-g_h", "r" * 128]
        for reference in references:
            await shop.provider.charge(reference, Amount(5, "USD"))
        await shop.until_told(2 * len(references))
        for reference in references:
            await shop.provider.refund(reference)
            assert await shop.provider.find(reference) == "refunded"
        assert list(await shop.ledger()) == references


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reference": ""}, "reference"),
        ({"reference": "a/b"}, "reference"),
        ({"amount": "5"}, "amount"),
        ({"amount": -1}, "amount"),
        ({"currency": "usd"}, "currency"),
        ({"tip": 1}, "tip"),
    ],
)
async def test_a_bad_charge_is_refused_with_the_field(
    psp: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    answer = await psp.post("/charges", json={"reference": "bk_1", "amount": 5, "currency": "USD"} | changes)
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    assert answer.json()["errors"][0]["field"] == field
    assert (await psp.get("/charges")).json() == []


async def test_webhooks_come_once_and_in_order() -> None:
    async with open_shop(PSP_DELAY_MS="0") as shop:
        references = [f"bk_{number}" for number in range(MANY)]
        await asyncio.gather(*(shop.provider.charge(reference, Amount(1, "USD")) for reference in references))
        await shop.until_told(2 * MANY)
        assert {tuple(shop.told_of(reference)) for reference in references} == {("processing", "captured")}


async def test_charges_that_came_first_are_not_decided_first() -> None:
    async with open_shop(PSP_DELAY_MS="1000") as shop:
        await asyncio.gather(*(shop.provider.charge(f"bk_{number}", Amount(1, "USD")) for number in range(MANY)))
        await shop.until_told(2 * MANY)
        captured = [webhook.reference for webhook in shop.told() if webhook.status == "captured"]
        came = list(await shop.ledger())
        assert sorted(captured) == sorted(came)
        assert captured != came


async def test_every_webhook_comes_twice_if_that_is_wanted() -> None:
    async with open_shop(PSP_DUPLICATE_RATE="1", PSP_DELAY_MS="0") as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.listener.until(lambda: len(shop.listener.requests) == 4)
        assert Counter(webhook.type for webhook in shop.told()) == {"charge.processing": 2, "charge.captured": 2}
        assert len({webhook.id for webhook in shop.told()}) == 2
        bodies = defaultdict(set)
        for request in shop.listener.requests:
            bodies[request.headers["webhook-id"]].add(request.body)
        assert [len(same) for same in bodies.values()] == [1, 1]


async def test_webhooks_come_in_the_opposite_order_if_that_is_wanted() -> None:
    async with open_shop(PSP_REORDER_RATE="1") as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.until_told(2)
        assert shop.told_of("bk_1") == ["captured", "processing"]


async def test_no_webhook_comes_if_that_is_wanted() -> None:
    async with open_shop(PSP_LOSS_RATE="1", PSP_DELAY_MS="0") as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.until_decided("bk_1")
        await shop.provider.refund("bk_1")
        assert await shop.provider.find("bk_1") == "refunded"
        await shop.stack.stop_psp()
        assert shop.listener.requests == []


@pytest.mark.parametrize("failure", [Answer(500), Answer(401), Answer(302), Answer(cut=True)], ids=str)
async def test_a_webhook_is_sent_until_it_is_taken(failure: Answer) -> None:
    refused = 3

    def answer(request: Request) -> Answer:
        seen[request.headers["webhook-id"]] += 1
        return failure if seen[request.headers["webhook-id"]] <= refused else Answer(204)

    seen: Counter[str] = Counter()
    async with open_shop(answer, PSP_DELAY_MS="0") as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.listener.until(lambda: list(seen.values()) == [refused + 1] * 2)
        assert {webhook.type for webhook in shop.told()} == {"charge.processing", "charge.captured"}
        assert len({request.body for request in shop.listener.requests}) == 2


async def test_webhooks_reach_a_receiver_that_was_down() -> None:
    async with open_shop() as shop:
        async with listening() as gone:
            port = int(gone.url.rpartition(":")[2])
        shop.stack.environment["PSP_WEBHOOK_URL"] = gone.url
        await shop.stack.stop_psp(kill=True)
        await shop.stack.start_psp()
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.until_decided("bk_1")
        async with listening(port=port) as back:
            await back.until(lambda: len(back.requests) == 2)
            assert {verify(shop.secret, r.body, r.headers).status for r in back.requests} == {"processing", "captured"}


async def test_it_begins_empty_and_stops_although_webhooks_are_under_way() -> None:
    async with open_shop(lambda _: Answer(never=True)) as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.listener.until(lambda: len(shop.listener.requests) >= 1)
        await shop.stack.stop_psp()
        assert "Traceback" not in shop.stack.logs()
        await shop.stack.start_psp()
        assert await shop.ledger() == {}


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environment = {**clean_environment(), "DATA_DIR": str(tmp_path / "data"), "PSP_PORT": str(port)}
        psp = Process(["api", "psp"], environment, tmp_path / "psp.log")
        assert await psp.wait() == 1
    assert psp.output().startswith(f"Port {port} is taken: stop the program that uses it, or choose another with PSP_")


async def test_a_secret_that_cannot_be_used_ends_it_in_a_sentence(tmp_path: Path) -> None:
    environment = {**clean_environment(), "DATA_DIR": str(tmp_path), "PAYMENT_WEBHOOK_SECRET": "hunter2"}
    psp = Process(["api", "psp"], environment, tmp_path / "psp.log")
    assert await psp.wait() == 1
    assert psp.output().startswith("PAYMENT_WEBHOOK_SECRET is not allowed: ")
    assert "hunter2" not in psp.output()
