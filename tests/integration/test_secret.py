"""Concurrent processes generate one secret."""

import multiprocessing
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from api.config import Settings
from api.secret import load_or_create_secret
from api.settings.secrets import WEBHOOK_SECRET

PROCESSES = 8


def test_processes_that_start_at_once_share_a_secret(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # One process imports the modules for all.
    start = context.Barrier(PROCESSES)
    results: SimpleQueue[str] = context.SimpleQueue()
    processes = [context.Process(target=_load, args=(tmp_path / "data", start, results)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    secrets = {results.get() for _ in processes}
    for process in processes:
        process.join()
    assert secrets == {load_or_create_secret(Settings(data_dir=tmp_path / "data"), WEBHOOK_SECRET)}


def _load(data_dir: Path, start: Barrier, results: "SimpleQueue[str]") -> None:
    start.wait()
    results.put(load_or_create_secret(Settings(data_dir=data_dir), WEBHOOK_SECRET))
