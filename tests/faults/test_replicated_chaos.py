"""Failovers with asynchronous payment under load, and every response and charge is right. `make soak` has more."""

from tests.faults import replication_faults as faults
from tests.faults.checker import describe
from tests.faults.faults import Fault
from tests.faults.replicated_target import ReplicatedTarget, running_replicated_target
from tests.faults.soak import LIMIT, run_chaos

FAULTS: tuple[Fault[ReplicatedTarget], ...] = (
    faults.standby_frozen,
    faults.primary_crashed,
    faults.former_primary_returned,
)


async def test_every_invariant_holds_after_failovers() -> None:
    written: list[str] = []
    async with running_replicated_target("async", {"BOOKINGS_PER_MINUTE": str(LIMIT)}) as target:
        _, violations = await run_chaos(target, iter(FAULTS), "failovers", written.append)
        assert not violations, f"{describe(violations)}\n{''.join(written)}\n{target.logs()}"
