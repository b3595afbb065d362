"""`python -m api psp`: the payment simulator as a merchant sees it, over HTTP and through webhooks."""

import asyncio
import contextlib
import itertools
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from api.config import Settings
from api.payments.http_provider import HttpProvider, open_provider
from api.payments.provider import Amount, RefundRequest
from api.payments.signatures import ChargeEvent, Webhook, verify
from api.payments.simulator import decide
from api.secret import load_or_create_secret
from api.settings.secrets import WEBHOOK_SECRET
from tests.acceptance.system import PROBLEM
from tests.listener import Listener, Request, Response, listening
from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP, Process, Stack, clean_environment, temporary_directory
from tests.waiting import read_until

DELAY_MS = 100
MANY = 30


class Shop:
    """A merchant: the payment simulator's process, a client of it and the webhooks that arrived."""

    def __init__(self, stack: Stack, listener: Listener, provider: HttpProvider, client: httpx.AsyncClient) -> None:
        self.stack = stack
        self.listener = listener
        self.provider = provider
        self.client = client
        self.secret = load_or_create_secret(Settings.from_env(stack.environment), WEBHOOK_SECRET)

    def webhooks(self) -> list[Webhook]:
        """Return the webhooks in the order of arrival; verify the signature of each."""
        return [verify(self.secret, request.body, request.headers) for request in self.listener.requests]

    def statuses_of(self, reference: str) -> list[str | None]:
        return [webhook.status for webhook in self.webhooks() if webhook.reference == reference]

    async def until_received(self, count: int) -> None:
        """Wait until `count` different webhooks have arrived."""
        await self.listener.until(lambda: len({webhook.id for webhook in self.webhooks()}) >= count)

    async def until_decided(self, reference: str) -> None:
        """Wait until a charge is no longer processing."""
        await read_until(lambda: self.provider.find(reference), lambda status: status != "processing")

    async def charges(self) -> dict[str, dict[str, Any]]:
        charges = (await self.client.get("/charges")).json()
        return {charge["reference"]: charge for charge in charges}


@contextlib.asynccontextmanager
async def open_shop(
    respond: Callable[[Request], Response] = lambda _: Response(), **environment: str
) -> AsyncIterator[Shop]:
    with temporary_directory() as directory:
        async with listening(respond) as listener:
            webhook_url = f"{listener.url}/hooks/shop-1"
            defaults = {"PSP_DELAY_MS": str(DELAY_MS), "PAYMENT_SUCCESS_RATE": "1", "PSP_WEBHOOK_URL": webhook_url}
            stack = Stack("postgresql:///none", directory, defaults | environment)
            try:
                await stack.start_payment_simulator()
                settings = Settings.from_env(stack.environment | {"PROVIDER_TIMEOUT_MS": "10000"})
                async with (
                    open_provider(settings) as provider,
                    client_of(stack) as client,
                ):
                    yield Shop(stack, listener, provider, client)
            except BaseException:
                print(stack.logs())  # noqa: T201 - pytest shows it with the failure
                raise
            finally:
                await stack.stop()


def refund(reference: str, amount: int) -> RefundRequest:
    """Return the refund of a whole charge."""
    return RefundRequest(key="r1_1", reference=reference, amount=Amount(amount, "USD"))


def client_of(stack: Stack) -> httpx.AsyncClient:
    """Return a client of the simulator."""
    return httpx.AsyncClient(base_url=stack.simulator_url, trust_env=False, timeout=HTTP_TIMEOUT_S, verify=PLAIN_HTTP)


@pytest.fixture(scope="module")
def idle_simulator() -> Iterator[Stack]:
    """A simulator that several tests share, because it accepts none of their charges."""
    with temporary_directory() as directory:
        stack = Stack("postgresql:///none", directory, {})
        try:
            asyncio.run(stack.start_payment_simulator())
            yield stack
        finally:
            asyncio.run(stack.stop())


@pytest.fixture
async def simulator(idle_simulator: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(idle_simulator) as client:
        yield client


async def test_a_charge_is_accepted_decided_and_reported_by_signed_webhooks() -> None:
    async with open_shop() as shop:
        accepted = await shop.client.post("/charges", json={"reference": "bk_1", "amount": 12_50, "currency": "USD"})
        charge = {"reference": "bk_1", "amount": 12_50, "currency": "USD", "status": "processing"}
        assert (accepted.status_code, accepted.json()) == (202, charge)
        await shop.until_received(2)
        assert await shop.charges() == {"bk_1": charge | {"status": "captured"}}
        assert await shop.provider.find("bk_1") == "captured"
        processing, captured = shop.webhooks()
        assert (processing.type, captured.type) == ("charge.processing", "charge.captured")
        assert (captured.reference, captured.amount_minor, captured.currency) == ("bk_1", 12_50, "USD")
        first = shop.listener.requests[0]
        assert (first.method, first.path) == ("POST", "/hooks/shop-1")
        assert first.headers["content-type"] == "application/json"


async def test_the_outcome_is_that_of_the_simulator() -> None:
    rate = 0.5
    async with open_shop(PAYMENT_SUCCESS_RATE=str(rate)) as shop:
        references = [f"bk_{number}" for number in range(MANY)]
        await asyncio.gather(*(shop.provider.charge(reference, Amount(1, "USD")) for reference in references))
        await shop.until_received(2 * MANY)
        outcomes = {reference: decide(reference, rate) for reference in references}
        assert len(set(outcomes.values())) == 2
        assert {reference: charge["status"] for reference, charge in (await shop.charges()).items()} == outcomes
        assert {reference: shop.statuses_of(reference)[-1] for reference in references} == outcomes


async def test_repeated_requests_charge_once_and_return_the_present_charge() -> None:
    async with open_shop() as shop:
        body = {"reference": "bk_1", "amount": 5, "currency": "USD"}
        responses = await asyncio.gather(*(shop.client.post("/charges", json=body) for _ in range(MANY)))
        assert {response.status_code for response in responses} == {202}
        await shop.until_received(2)
        assert (await shop.client.post("/charges", json=body)).json()["status"] == "captured"
        for other in ({"amount": 6}, {"currency": "EUR"}):
            refused = await shop.client.post("/charges", json=body | other)
            assert (refused.status_code, refused.json()["code"]) == (422, "key_reused")
        await shop.provider.refund(refund("bk_1", 5))
        await shop.until_received(3)
        assert [webhook.status for webhook in shop.webhooks()] == ["processing", "captured", "refunded"]
        assert len(await shop.charges()) == 1


async def test_a_captured_charge_is_refunded_once() -> None:
    async with open_shop(PSP_DELAY_MS="0") as shop:
        await shop.provider.charge("bk_1", Amount(5, "USD"))
        await shop.until_received(2)
        bodies = [{"key": f"r{number % 3}", "amount": 5, "currency": "USD"} for number in range(MANY)]
        responses = await asyncio.gather(*(shop.client.post("/charges/bk_1/refunds", json=body) for body in bodies))
        made = [response.json() for response in responses if response.status_code == 200]
        assert {(each["status"], each["amount"]) for each in made} == {("succeeded", 5)}
        assert len({each["id"] for each in made}) == 1
        refused = [response.json()["code"] for response in responses if response.status_code == 409]
        assert refused == ["refund_too_large"] * (MANY - len(made))
        assert len(made) == MANY / 3
        await shop.provider.charge("bk_2", Amount(5, "USD"))
        await shop.until_received(5)
        assert shop.statuses_of("bk_1") == ["processing", "captured", "refunded"]
        assert await shop.provider.find("bk_1") == "refunded"


async def test_a_charge_that_was_not_captured_is_not_refunded() -> None:
    async with open_shop(PAYMENT_SUCCESS_RATE="0") as shop:
        await shop.provider.charge("bk_1", Amount(5, "USD"))
        body = {"key": "r1", "amount": 5, "currency": "USD"}
        processing = await shop.client.post("/charges/bk_1/refunds", json=body)
        await shop.until_received(2)
        declined = await shop.client.post("/charges/bk_1/refunds", json=body)
        for refused in (processing, declined):
            assert (refused.status_code, refused.json()["code"]) == (409, "not_cancellable")
        assert (await shop.client.post("/charges/bk_2/refunds", json=body)).status_code == 404
        assert await shop.provider.find("bk_2") is None


async def test_any_reference_of_a_booking_can_be_charged_and_refunded() -> None:
    async with open_shop(PSP_DELAY_MS="0") as shop:
        references = ["...", "a..b", "a:b~c+d=e@f-g_h", "r" * 128]
        for reference in references:
            await shop.provider.charge(reference, Amount(5, "USD"))
        await shop.until_received(2 * len(references))
        for reference in references:
            await shop.provider.refund(refund(reference, 5))
            assert await shop.provider.find(reference) == "refunded"
        assert list(await shop.charges()) == references


@pytest.mark.xdist_group("idle_simulator")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reference": ""}, "reference"),
        ({"reference": "a/b"}, "reference"),
        ({"reference": "."}, "reference"),
        ({"reference": ".."}, "reference"),
        ({"amount": "5"}, "amount"),
        ({"amount": -1}, "amount"),
        ({"currency": "usd"}, "currency"),
        ({"tip": 1}, "tip"),
    ],
)
async def test_a_bad_charge_is_refused_with_the_field(
    simulator: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    response = await simulator.post("/charges", json={"reference": "bk_1", "amount": 5, "currency": "USD"} | changes)
    assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
    assert response.json()["errors"][0]["field"] == field
    assert (await simulator.get("/charges")).json() == []


async def test_webhooks_arrive_once_and_in_order() -> None:
    async with open_shop(PSP_DELAY_MS="0") as shop:
        references = [f"bk_{number}" for number in range(MANY)]
        await asyncio.gather(*(shop.provider.charge(reference, Amount(1, "USD")) for reference in references))
        await shop.until_received(2 * MANY)
        assert {tuple(shop.statuses_of(reference)) for reference in references} == {("processing", "captured")}


async def test_charges_are_not_decided_in_the_order_of_creation() -> None:
    async with open_shop(PSP_DELAY_MS="1000") as shop:
        await asyncio.gather(*(shop.provider.charge(f"bk_{number}", Amount(1, "USD")) for number in range(MANY)))
        await shop.until_received(2 * MANY)
        captured = [webhook.reference for webhook in shop.webhooks() if webhook.status == "captured"]
        created = list(await shop.charges())
        assert sorted(captured) == sorted(created)
        assert captured != created


async def test_a_duplicate_rate_of_1_sends_every_webhook_twice() -> None:
    async with open_shop(PSP_DUPLICATE_RATE="1", PSP_DELAY_MS="0") as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.listener.until(lambda: len(shop.listener.requests) == 4)
        assert Counter(webhook.type for webhook in shop.webhooks()) == {"charge.processing": 2, "charge.captured": 2}
        assert len({webhook.id for webhook in shop.webhooks()}) == 2
        bodies = defaultdict(set)
        for request in shop.listener.requests:
            bodies[request.headers["webhook-id"]].add(request.body)
        assert [len(same) for same in bodies.values()] == [1, 1]


async def test_a_reorder_rate_of_1_reverses_the_webhooks_of_a_charge() -> None:
    async with open_shop(PSP_REORDER_RATE="1") as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.until_received(2)
        assert shop.statuses_of("bk_1") == ["captured", "processing"]


async def test_a_loss_rate_of_1_sends_no_webhook() -> None:
    async with open_shop(PSP_LOSS_RATE="1", PSP_DELAY_MS="0") as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.until_decided("bk_1")
        await shop.provider.refund(refund("bk_1", 1))
        assert await shop.provider.find("bk_1") == "refunded"
        await shop.stack.stop_payment_simulator()
        assert shop.listener.requests == []


async def test_a_webhook_is_sent_until_it_is_accepted() -> None:
    refused = 3
    failures = {"fault": Response(500), "denial": Response(401), "redirect": Response(302), "cut": Response(cut=True)}

    def respond(request: Request) -> Response:
        seen[request.headers["webhook-id"]] += 1
        reference = msgspec.json.decode(request.body, type=ChargeEvent).data.reference
        return failures[reference] if seen[request.headers["webhook-id"]] <= refused else Response(204)

    seen: Counter[str] = Counter()
    async with open_shop(respond, PSP_DELAY_MS="0") as shop:
        for reference in failures:
            await shop.provider.charge(reference, Amount(1, "USD"))
        await shop.listener.until(lambda: list(seen.values()) == [refused + 1] * 2 * len(failures))
        reported = {(webhook.reference, webhook.type) for webhook in shop.webhooks()}
        assert reported == set(itertools.product(failures, ("charge.processing", "charge.captured")))
        assert len({request.body for request in shop.listener.requests}) == 2 * len(failures)


async def test_webhooks_reach_a_receiver_that_was_down() -> None:
    async with open_shop() as shop:
        async with listening() as gone:
            port = int(gone.url.rpartition(":")[2])
        shop.stack.environment["PSP_WEBHOOK_URL"] = gone.url
        await shop.stack.stop_payment_simulator(kill=True)
        await shop.stack.start_payment_simulator()
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.until_decided("bk_1")
        async with listening(port=port) as back:
            await back.until(lambda: len(back.requests) == 2)
            assert {verify(shop.secret, r.body, r.headers).status for r in back.requests} == {"processing", "captured"}


async def test_it_starts_empty_and_stops_during_a_delivery() -> None:
    async with open_shop(lambda _: Response(stalls=True)) as shop:
        await shop.provider.charge("bk_1", Amount(1, "USD"))
        await shop.listener.until(lambda: len(shop.listener.requests) >= 1)
        await shop.stack.stop_payment_simulator()
        assert "Traceback" not in shop.stack.logs()
        await shop.stack.start_payment_simulator()
        assert await shop.charges() == {}


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environment = {**clean_environment(), "DATA_DIR": str(tmp_path / "data"), "PSP_PORT": str(port)}
        process = Process(["api", "psp"], environment, tmp_path / "simulator.log")
        assert await process.wait() == 1
    expected = f"Port {port} is taken: stop the program that uses it, or choose another with PSP_"
    assert process.output().startswith(expected)


async def test_an_invalid_secret_ends_it_with_one_sentence(tmp_path: Path) -> None:
    environment = {**clean_environment(), "DATA_DIR": str(tmp_path), "PAYMENT_WEBHOOK_SECRET": "hunter2"}
    process = Process(["api", "psp"], environment, tmp_path / "simulator.log")
    assert await process.wait() == 1
    assert process.output().startswith("PAYMENT_WEBHOOK_SECRET is not allowed: ")
    assert "hunter2" not in process.output()


@pytest.mark.xdist_group("idle_simulator")
async def test_requests_of_web_pages_are_refused(simulator: httpx.AsyncClient) -> None:
    body = {"reference": "from-a-page", "amount": 100, "currency": "USD"}
    for headers in ({"Origin": "https://attacker.example"}, {"Host": "attacker.example:3002"}):
        refused = await simulator.post("/charges", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert (await simulator.get("/charges")).json() == []
