"""Concurrent requests for the readiness share one check, and no response outlives it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.config import Settings
from api.database.pool import Pool
from api.routes import health

REQUESTS = 50


class CountedChecks:
    """A check of the database that runs until the test lets it end."""

    def __init__(self) -> None:
        self.started = 0
        self.reason: str | None = None
        self.may_end = asyncio.Event()

    async def find_obstacle(self, _pool: Pool, _settings: Settings) -> str | None:
        self.started += 1
        reason = self.reason
        await self.may_end.wait()
        return reason


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> CountedChecks:
    counted = CountedChecks()
    monkeypatch.setattr(health, "find_obstacle", counted.find_obstacle)
    return counted


@contextlib.asynccontextmanager
async def running_client(database_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an application in this process. Its lifespan needs one task, which a fixture does not have."""
    app = create_app(Settings(database_url=database_url, data_dir=tmp_path))
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with app.app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://localhost:3001") as client:
        yield client


async def test_concurrent_requests_make_one_check(database_url: str, tmp_path: Path, checks: CountedChecks) -> None:
    async with running_client(database_url, tmp_path) as client:
        requests = [asyncio.create_task(client.get("/health/ready")) for _ in range(REQUESTS)]
        for _ in range(REQUESTS):  # Every request reaches the check.
            await asyncio.sleep(0.001)
        checks.may_end.set()
        responses = await asyncio.gather(*requests)
    assert {response.status_code for response in responses} == {200}
    assert checks.started == 1


async def test_each_later_request_makes_a_check_of_its_own(
    database_url: str, tmp_path: Path, checks: CountedChecks
) -> None:
    checks.may_end.set()
    async with running_client(database_url, tmp_path) as client:
        assert (await client.get("/health/ready")).status_code == 200
        checks.reason = "the database does not respond"
        response = await client.get("/health/ready")
    assert (response.status_code, response.json()["reason"]) == (503, checks.reason)
    assert checks.started == 2


async def test_a_shutdown_needs_no_check(
    database_url: str, tmp_path: Path, checks: CountedChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "is_stopping", lambda: True)
    async with running_client(database_url, tmp_path) as client:
        response = await client.get("/health/ready")
    assert (response.status_code, response.json()["reason"]) == (503, "shutting down")
    assert checks.started == 0
