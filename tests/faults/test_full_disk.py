"""A full disk ends PostgreSQL: no acknowledged booking is lost, and the system recovers as soon as there is space."""

from tests.faults.checker import describe
from tests.faults.soak import LIMIT, run_chaos
from tests.faults.supervised_faults import disk_full, web_app_killed
from tests.faults.supervised_target import API, running_supervised_target


async def test_nothing_is_lost_on_a_full_disk() -> None:
    written: list[str] = []
    async with running_supervised_target("inline", {"BOOKINGS_PER_MINUTE": str(LIMIT)}) as target:
        processes = target.pids_of(API)
        history, violations = await run_chaos(target, iter([disk_full, web_app_killed]), "full disk", written.append)
        assert not violations, f"{describe(violations)}\n{''.join(written)}\n{target.logs()}"
        assert target.pids_of(API) == processes, target.logs()
    assert sum(entry.kind == "book" and entry.status == 201 for entry in history.entries) > 0
    assert any(entry.status == 503 for entry in history.entries)
