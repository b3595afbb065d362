"""Kills at the steps of every flow: one charge, one refund per request, one mail or a known duplicate, one session.

`KILL_STRIDE=1` kills at every step instead of every eleventh. `KILL=flow:step` repeats one run.
"""

import os
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from api.database.embedded import EmbeddedServer
from api.payments.provider import RefundRequest
from api.services import refunds
from api.services.mail import compose
from tests.faults.kills.flows import FLOWS, Flow, mails, return_ticket
from tests.faults.kills.runs import kill_at_each_step, kill_at_random, kill_at_step, name_of, repeat
from tests.faults.kills.world import Dialect, open_world

STRIDE = int(os.environ.get("KILL_STRIDE", "11"))
FIRST_MAX = min(STRIDE, 6)
"""Upper bound on the first step of a flow. Different flows begin with different steps."""
KILL = os.environ.get("KILL", "")
NEVER = 100_000
"""A step that no flow reaches."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("dialect", FLOWS)
async def test_a_kill_at_a_step_loses_and_doubles_nothing(server: EmbeddedServer, dialect: Dialect) -> None:
    flow_name, _, run = KILL.partition(":")
    async with open_world(server, dialect) as world:
        for number, flow in enumerate(FLOWS[dialect]):
            if not KILL:
                assert await kill_at_each_step(world, flow, first=1 + number % FIRST_MAX, stride=STRIDE)
            elif flow_name == name_of(flow):
                await repeat(world, flow, run)


@pytest.mark.parametrize("dialect", FLOWS)
async def test_several_kills_with_a_failing_provider_double_nothing(server: EmbeddedServer, dialect: Dialect) -> None:
    async with open_world(server, dialect) as world:
        cases = [await kill_at_random(world, flow, "seed-1") for flow in FLOWS[dialect][:3]]
    assert any(case.kills_made for case in cases)


async def step_of(world: Any, flow: Flow, response: str, before: str = "") -> int:
    """Return the number of the last step of a kind in a run without a kill, before another step if one is named."""
    steps = (await kill_at_step(world, flow, NEVER)).steps
    end = next((number for number, step in enumerate(steps) if before and before in step), len(steps))
    return max(number for number, step in enumerate(steps[:end], 1) if step == response)


async def test_the_check_detects_a_refund_under_another_key(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = refunds._OpenRefund.request

    def request(self: Any) -> RefundRequest:
        return msgspec.structs.replace(original(self), key=str(uuid4()))

    async with open_world(server, "simulator") as world:
        refunded = await step_of(world, return_ticket, "http response")
        monkeypatch.setattr(refunds._OpenRefund, "request", request)
        with pytest.raises(AssertionError, match=r"at the provider \[1000, 1000\]"):
            await kill_at_step(world, return_ticket, refunded)


async def test_the_check_detects_a_duplicate_under_another_id(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = compose._envelope

    def envelope(*arguments: Any) -> EmailMessage:
        mail = original(*arguments)
        mail.replace_header("Message-ID", f"<{uuid4()}@example.org>")
        return mail

    async with open_world(server, "simulator") as world:
        accepted = await step_of(world, mails, "smtp response", before="messages.mark_message")
        monkeypatch.setattr(compose, "_envelope", envelope)
        with pytest.raises(AssertionError, match="but sent"):
            await kill_at_step(world, mails, accepted)
