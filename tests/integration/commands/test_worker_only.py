"""A worker runs the jobs of the selected groups, and no other."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from api.commands import worker
from api.commands.groups import GROUPS, Group
from api.config import Settings
from api.services.mail.delivery import Mailer
from tests.integration.asynchronous import Provider
from tests.stack import application_url


@pytest.mark.parametrize("groups", [*((group,) for group in GROUPS), GROUPS])
async def test_a_worker_runs_only_the_selected_groups(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, groups: tuple[Group, ...]
) -> None:
    settings = Settings(data_dir=tmp_path)
    jobs = worker.jobs(Provider(), Mailer(settings))
    selected = {job.name for job in jobs if job.group in groups}
    runs: Counter[str] = Counter()
    ran_twice = asyncio.Event()

    def counted(job: worker.Job) -> worker.Job:
        async def run_once(*_: object) -> int:
            runs[job.name] += 1
            if all(runs[name] > 1 for name in selected):
                ran_twice.set()
            return 0

        return worker.Job(job.name, job.group, run_once, pause_s=0.01)

    monkeypatch.setattr(worker, "jobs", lambda *_: tuple(map(counted, jobs)))
    working = asyncio.create_task(worker.work(application_url(database_url), settings, groups))
    await ran_twice.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await working
    assert runs.keys() == selected
