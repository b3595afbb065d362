"""The runs of flows: a kill at each step in turn, and several kills at random while the provider fails."""

import itertools
import random
import time
from collections.abc import Callable

from tests.faults.kills.case import Case
from tests.faults.kills.flows import FLOWS, Flow
from tests.faults.kills.steps import HttpFaults
from tests.faults.kills.world import World, open_world
from tests.stack import embedded_server, prepare_template

KILLS_MAX = 3
"""Upper bound on the kills of a random run."""
STEPS_MAX = 60
"""Upper bound on the steps until the next kill of a random run."""
FAULT_RATE = 0.3
"""The share of requests to the provider that fail in a random run."""


async def kill_at_each_step(world: World, flow: Flow, *, first: int = 1, stride: int = 1) -> int:
    """Run a flow with a kill at each `stride`-th step from `first` on; return the number of kills.

    The last run ends without a kill.
    """
    for kill_at in itertools.count(first, stride):
        if not (await kill_at_step(world, flow, kill_at)).kills_made:
            break
    return (kill_at - first) // stride


async def kill_at_step(world: World, flow: Flow, kill_at: int) -> Case:
    """Run a flow with a kill at one step."""
    case = Case(world, f"{name_of(flow)}-{kill_at}", [kill_at])
    await _run(case, flow, str(kill_at))
    return case


async def kill_at_random(world: World, flow: Flow, seed: str) -> Case:
    """Run a flow with several kills, while the provider fails at random; the same seed repeats both."""
    chance = random.Random(f"{seed} {name_of(flow)}")
    kills = [chance.randint(1, STEPS_MAX) for _ in range(chance.randint(1, KILLS_MAX))]
    case = Case(world, f"{name_of(flow)}-{seed}", kills)
    world.taps["provider"].faults = HttpFaults(chance, FAULT_RATE)
    try:
        await _run(case, flow, seed)
    finally:
        world.taps["provider"].faults = None
    return case


def name_of(flow: Flow) -> str:
    """Return the name of a flow, which is a valid part of a reference and of a slug."""
    return flow.__name__.replace("_", "-")


async def repeat(world: World, flow: Flow, run: str) -> Case:
    """Repeat a run, which a failure names: a step, or the seed of a random run."""
    return await (kill_at_step(world, flow, int(run)) if run.isdecimal() else kill_at_random(world, flow, run))


async def _run(case: Case, flow: Flow, run: str) -> None:
    try:
        await flow(case)
    except Exception as error:
        killed = ", then ".join(case.kills_made) or "no step"
        raise AssertionError(f"{name_of(flow)}, killed at {killed}: {error}\nKILL={name_of(flow)}:{run}") from error


async def soak(seconds: float, seed: str, write: Callable[[str], object]) -> bool:
    """Run flows with kills and faults at random for a time, each at least once; return True if every check held."""
    held = True
    with embedded_server() as server:
        prepare_template(server)
        for dialect, flows in FLOWS.items():
            ends_at = time.monotonic() + seconds / len(FLOWS)
            kills = 0
            async with open_world(server, dialect) as world:
                for number in itertools.count():
                    if number and time.monotonic() > ends_at:
                        break
                    for flow in flows:
                        try:
                            kills += len((await kill_at_random(world, flow, f"s{seed}-{number}")).kills_made)
                        except AssertionError as error:
                            write(f"{error}\n")
                            held = False
            write(f"  {dialect}: {kills} kills in {number} runs of {len(flows)} flows\n")
    return held
