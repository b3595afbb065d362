"""A worker runs the jobs of the selected groups, and no other."""

import asyncio
import os
import signal
from collections import Counter

import pytest

from api.commands import worker
from api.commands.groups import GROUPS, Group
from api.config import Settings
from tests.integration.asynchronous import Provider
from tests.stack import application_url


@pytest.mark.parametrize("groups", [*((group,) for group in GROUPS), GROUPS])
async def test_a_worker_runs_only_the_selected_groups(
    database_url: str, monkeypatch: pytest.MonkeyPatch, groups: tuple[Group, ...]
) -> None:
    selected = {job.name for job in worker.jobs(Provider()) if job.group in groups}
    runs: Counter[str] = Counter()
    ran_twice = asyncio.Event()

    def counted(job: worker.Job) -> worker.Job:
        async def run_once(*_: object) -> int:
            runs[job.name] += 1
            if all(runs[name] > 1 for name in selected):
                ran_twice.set()
            return 0

        return worker.Job(job.name, job.group, run_once, pause_s=0.01)

    jobs = tuple(counted(job) for job in worker.jobs(Provider()))
    monkeypatch.setattr(worker, "jobs", lambda _: jobs)
    working = asyncio.create_task(worker.work(application_url(database_url), Settings(), groups))
    await ran_twice.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await working
    assert runs.keys() == selected
