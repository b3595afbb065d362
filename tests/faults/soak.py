"""The soak: buyers under load, random faults one after the other, and a check of every response.

`python -m tests.faults.soak [SECONDS [SEED]]` runs three systems in both payment modes: one on an embedded server, one
on a primary with a synchronous standby, and one that `make run` supervises. `tests.faults.kills` follows. Each has an
equal share of the time, and at least the time until every fault has happened once. The same seed gives the same
schedule of faults. The timing depends on the machine.
"""

import asyncio
import contextlib
import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import msgspec
import psycopg

from api.commands.seed import TierPlan, parse_inventory, seed
from api.commands.supervisor import RESTARTS_MAX, RESTARTS_WINDOW_S
from api.services.order_rules import OwnRules
from tests.faults.after_sale import PREFIX, AfterSale
from tests.faults.after_sale_invariants import find_violations
from tests.faults.buyers import Buyers, Shop
from tests.faults.checker import Violation, check, describe
from tests.faults.faults import Fault, T, faults_of
from tests.faults.history import Fault as RecordedFault
from tests.faults.history import History
from tests.faults.replicated_target import running_replicated_target
from tests.faults.replication_faults import replication_faults_of
from tests.faults.supervised_faults import SUPERVISED_FAULTS
from tests.faults.supervised_target import running_supervised_target
from tests.faults.target import MODES, Target, running_target
from tests.mail_server import MailServer, running_mail_server

EVENT = "soak"
STANDING_MIN = 20_000
STANDING_PER_S = 400
"""Standing tickets per second of the soak. Buyers must not sell out, because a booking proves each recovery."""
DEMAND = {"VIP": 0.15, "Front Row": 0.25, "Balcony": 0.1, "GA": 0.5}
TICKETS_PER_BUYER = {"Balcony": 6}
CLIENTS = 12
USERS = 2000
LIMIT = 10
"""Bookings per buyer and minute."""
BOOKING_PATH = os.environ.get("BOOKING_PATH", "direct")
SECONDS = 120.0
PAUSE_S = 0.3
"""Pause between two faults, during which the system works normally."""
RECOVERY_MAX_S = 60.0
"""Upper bound on the time from the end of a fault to the first booking."""
POLL_S = 0.01
SUPERVISED_INTERVAL_S = RESTARTS_WINDOW_S / RESTARTS_MAX + 1
"""Time from one fault to the next one under the supervisor. It stops a system whose part fails more often."""


class System(NamedTuple):
    """A kind of system, and the faults that it has in a payment mode."""

    name: str
    run: Callable[[str, dict[str, str]], AbstractAsyncContextManager[Target]]
    faults_of: Callable[[str], tuple[Fault[Any], ...]]
    interval_s: float = 0.0
    """The least time from one fault to the next one."""


SYSTEMS = (
    System("embedded server", running_target, faults_of),
    System("synchronous standby", running_replicated_target, replication_faults_of),
    System("make run", running_supervised_target, lambda _: SUPERVISED_FAULTS, SUPERVISED_INTERVAL_S),
)


def inventory_of(standing: int) -> tuple[TierPlan, ...]:
    """Return the tiers of the soak's event: VIP sells out at once, and Balcony has a limit of tickets per buyer."""
    plans = parse_inventory(f"VIP=40,Front Row={standing // 20},Balcony={standing // 4},GA={standing}")
    return tuple(
        msgspec.structs.replace(plan, rules=OwnRules(tickets_per_buyer=TICKETS_PER_BUYER.get(plan.name)))
        for plan in plans
    )


async def run_chaos(
    target: T,
    faults: Iterator[Fault[T]],
    seed_text: str,
    write: Callable[[str], object],
    *,
    standing: int = STANDING_MIN,
    interval_s: float = 0.0,
    mail_server: MailServer | None = None,
) -> tuple[History, list[Violation]]:
    """Inject the faults one after the other under load; return the history and its violations.

    Args:
        target: a running system.
        faults: the faults.
        seed_text: the seed of all random numbers.
        write: receives a line about each fault.
        standing: the number of standing tickets.
        interval_s: the least time from one fault to the next one, in seconds.
        mail_server: the system's mail server, in async mode. Events are then also cancelled and tickets returned.
    """
    url = target.database_url
    await asyncio.to_thread(seed, url, event=EVENT, inventory=inventory_of(standing))
    history = History()
    buyers = Buyers(target.api_port, shop_of(url), history, random.Random(f"{seed_text} buyers"), users=USERS)
    after_sale = AfterSale(target.api_port, url)
    async with buyers.buying(CLIENTS), after_sale.running() if mail_server else contextlib.nullcontext():
        await asyncio.sleep(PAUSE_S)
        for number, fault in enumerate(faults):
            next_at = time.monotonic() + interval_s
            # A generator for each fault: the number of draws of buyers and faults depends on timing.
            await fault(target, history, random.Random(f"{seed_text} fault {number}"))
            await _until_recovered(history.faults[-1])
            write(f"  {history.faults[-1].summary()}\n")
            await asyncio.sleep(max(PAUSE_S, next_at - time.monotonic()))
    await target.until_idle()
    write(f"  {len(history.entries)} requests: {history.outcome_counts()}\n")
    charges = await asyncio.to_thread(target.charges)
    own = charges and [charge for charge in charges if not charge.reference.startswith(PREFIX)]
    violations = await asyncio.to_thread(check, history, url, EVENT, limit=LIMIT, charges=own)
    if mail_server:
        refunded = {charge.reference: charge.refunded for charge in charges or () if charge.refunded}
        aftermath = await asyncio.to_thread(after_sale.aftermath, mail_server.received, refunded)
        write(f"  {aftermath.summary()}\n")
        violations += [Violation(*broken) for broken in find_violations(aftermath)]
    return history, violations


async def _until_recovered(fault: RecordedFault) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RECOVERY_MAX_S):
            while fault.recovered is None:  # noqa: ASYNC110 - any buyer may set it
                await asyncio.sleep(POLL_S)


def shop_of(url: str) -> Shop:
    """Read the inventory of the soak's event."""
    with psycopg.connect(url) as conn:
        rows = conn.execute(
            "select tiers.name, array_agg(tickets.id) from tickets join tiers on tiers.id = tier_id"
            " join events on events.id = tiers.event_id where slug = %s and seated group by 1",
            [EVENT],
        ).fetchall()
    return Shop(EVENT, DEMAND, {tier: sorted(ids) for tier, ids in rows})


def _schedule(faults: Sequence[Fault[Any]], rng: random.Random, seconds: float) -> Iterator[Fault[Any]]:
    """Yield all faults in random order, repeatedly until `seconds` have passed; the first round is complete."""
    ends_at = time.monotonic() + seconds
    first = True
    while first or time.monotonic() < ends_at:
        for fault in rng.sample(faults, len(faults)):
            if first or time.monotonic() < ends_at:
                yield fault
        first = False


async def soak(seconds: float, seed_text: str) -> bool:
    """Run every system in both payment modes, and kills in every flow; return True if every invariant held."""
    runs = [(mode, system) for mode in MODES for system in SYSTEMS]
    share_s = seconds / (len(runs) + 1)
    held = [await _run(system, mode, share_s, f"{seed_text} {mode} {system.name}") for mode, system in runs]
    held.append(await _kill_in_flows(share_s, seed_text))
    _write("Every invariant held.\n" if all(held) else f"Invariants are broken. SEED={seed_text} repeats the faults.\n")
    return all(held)


async def _kill_in_flows(seconds: float, seed_text: str) -> bool:
    """Kill processes in the flows of `tests.faults.kills`; return True if every check held."""
    _write("kills at steps of flows:\n")
    # A process of its own, because the killed processes would import the main module of this one.
    command = (sys.executable, "-m", "tests.faults.kills", str(seconds), seed_text)
    return await (await asyncio.create_subprocess_exec(*command)).wait() == 0


async def _run(system: System, mode: str, seconds: float, seed_text: str) -> bool:
    _write(f"{mode}, {system.name}:\n")
    standing = STANDING_MIN + round(seconds * STANDING_PER_S)
    environment = {"BOOKINGS_PER_MINUTE": str(LIMIT), "BOOKING_PATH": BOOKING_PATH}
    async with contextlib.AsyncExitStack() as resources:
        mail_server = await resources.enter_async_context(running_mail_server())
        environment["SMTP_URL"] = mail_server.url
        target = await resources.enter_async_context(system.run(mode, environment))
        faults = _schedule(system.faults_of(mode), random.Random(seed_text), seconds)
        try:
            _, violations = await run_chaos(
                *(target, faults, seed_text, _write),
                standing=standing,
                interval_s=system.interval_s,
                mail_server=mail_server if mode == "async" else None,  # No worker runs in inline mode.
            )
        except BaseException:
            _write(f"{target.logs()}\n")
            raise
        if violations:
            _write(f"{describe(violations)}\n{target.logs()}\n")
    return not violations


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run the soak; return 0 if every invariant held."""
    try:
        seconds = float(arguments[0]) if arguments and arguments[0] else SECONDS
    except ValueError:
        sys.stderr.write(f"T={arguments[0]} is not allowed: T is the length of the soak in seconds.\n")
        return 2
    seed_text = arguments[1] if len(arguments) > 1 and arguments[1] else secrets.token_hex(4)
    _write(f"Soak of {seconds:.0f} s, BOOKING_PATH={BOOKING_PATH}, SEED={seed_text}\n")
    return 0 if asyncio.run(soak(seconds, seed_text)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
