"""The soak: a crowd of buyers, and one fault after the other in an order drawn from a seed; at its end all is checked.

`python -m tests.faults.soak [SECONDS [SEED]]` does so in both ways to pay, each for half of the time, but at least
until each fault was done once. The same seed draws the same schedule of faults; what meets them is the machine's
timing.
"""

import asyncio
import contextlib
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import psycopg

from api.commands.seed import parse_inventory, seed
from tests.faults.buyers import Buyers, Shop
from tests.faults.checker import Violation, check, describe
from tests.faults.faults import FAULTS_OF_ASYNC, NETWORK_FAULTS, PROCESS_FAULTS, Fault
from tests.faults.history import Fault as NotedFault
from tests.faults.history import History
from tests.faults.target import MODES, Target, running_target

EVENT = "soak"
INVENTORY = "VIP=40,Front Row=60,GA={standing}"
STANDING_MIN = 20_000
STANDING_EACH_S = 400
"""Standing places for each second: more than the buyers can buy, since a booking of one shows that all works again."""
WANTED = {"VIP": 0.15, "Front Row": 0.25, "GA": 0.6}
CLIENTS = 12
USERS = 2000
LIMIT = 10
"""Bookings of one buyer in any minute."""
SECONDS = 120.0
CALM_S = 0.3
"""Between two faults: the system recovers and goes on for a while."""
RECOVERY_MAX_S = 60.0
"""When the first booking must have gone through after a fault."""
POLL_S = 0.01


async def storm(
    target: Target,
    faults: Iterator[Fault],
    seed_text: str,
    say: Callable[[str], object],
    *,
    standing: int = STANDING_MIN,
) -> tuple[History, list[Violation]]:
    """Let buyers buy while one fault after the other is done; return what they saw and what is wrong with it."""
    url = target.database_url
    await asyncio.to_thread(seed, url, event=EVENT, inventory=parse_inventory(INVENTORY.format(standing=standing)))
    history = History()
    # Each its own: what buyers draw depends on the machine's timing, and faults must not depend on that.
    chance = random.Random(f"{seed_text} faults")
    buyers = Buyers(target.stack.api_port, _shop(url), history, random.Random(f"{seed_text} buyers"), users=USERS)
    async with buyers.buying(CLIENTS):
        await asyncio.sleep(CALM_S)
        for fault in faults:
            await fault(target, history, chance)
            await _recovered(history.faults[-1])
            say(f"  {history.faults[-1].in_words()}\n")
            await asyncio.sleep(CALM_S)
    await target.come_to_rest()
    say(f"  {len(history.entries)} requests: {history.answers()}\n")
    ledger = await asyncio.to_thread(target.ledger)
    return history, await asyncio.to_thread(check, history, url, EVENT, limit=LIMIT, ledger=ledger)


async def _recovered(fault: NotedFault) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RECOVERY_MAX_S):
            while fault.recovered is None:  # noqa: ASYNC110 - any of the buyers brings it about
                await asyncio.sleep(POLL_S)


def _shop(url: str) -> Shop:
    with psycopg.connect(url) as conn:
        rows = conn.execute(
            "select tiers.name, array_agg(tickets.id) from tickets join tiers on tiers.id = tier_id"
            " join events on events.id = tiers.event_id where slug = %s and seated group by 1",
            [EVENT],
        ).fetchall()
    return Shop(EVENT, WANTED, {tier: sorted(ids) for tier, ids in rows})


def faults_of(mode: str) -> tuple[Fault, ...]:
    """Return every fault that can be done to a system that pays in this way."""
    return PROCESS_FAULTS + NETWORK_FAULTS + (FAULTS_OF_ASYNC if mode == "async" else ())


def _rounds(faults: Sequence[Fault], chance: random.Random, seconds: float) -> Iterator[Fault]:
    """Return all faults in an order by chance, again and again until the time is over."""
    ends_at = time.monotonic() + seconds
    first = True
    while first or time.monotonic() < ends_at:
        for fault in chance.sample(faults, len(faults)):
            if first or time.monotonic() < ends_at:
                yield fault
        first = False


async def soak(seconds: float, seed_text: str) -> bool:
    """Run both modes; return whether every promise was kept."""
    kept = True
    for mode in MODES:
        sys.stdout.write(f"{mode}:\n")
        drawn = f"{seed_text} {mode}"
        async with running_target(mode, {"BOOKINGS_PER_MINUTE": str(LIMIT)}) as target:
            faults = _rounds(faults_of(mode), random.Random(drawn), seconds / len(MODES))
            standing = STANDING_MIN + round(seconds * STANDING_EACH_S)
            _, violations = await storm(target, faults, drawn, _say, standing=standing)
            if violations:
                _say(f"{describe(violations)}\n{target.stack.logs()}\n")
        kept = kept and not violations
    _say("Every promise was kept.\n" if kept else f"Promises were broken: SEED={seed_text} draws the same again.\n")
    return kept


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run the soak; return 0 if every promise was kept."""
    try:
        seconds = float(arguments[0]) if arguments and arguments[0] else SECONDS
    except ValueError:
        sys.stderr.write(f"T={arguments[0]} is not allowed: it must be the soak's length in seconds.\n")
        return 2
    seed_text = arguments[1] if len(arguments) > 1 and arguments[1] else secrets.token_hex(4)
    _say(f"Soak of {seconds:.0f} s, SEED={seed_text}\n")
    return 0 if asyncio.run(soak(seconds, seed_text)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
