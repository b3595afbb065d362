"""Fixtures of the tests of e-mails: a mail server, and a worker's jobs that send to it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest

from api.config import Settings
from api.database.pool import Pool
from api.services.mail.delivery import Mailer
from api.services.mail.outbox import queue_messages
from tests.mail_server import MailServer, running_mail_server


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """A mail server that accepts every message."""
    async with running_mail_server() as server:
        yield server


@pytest.fixture
def settings(mail_server: MailServer, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, smtp_url=mail_server.url, public_web_url="https://tickets.example.org")


class Post:
    """The jobs of the worker for e-mails."""

    def __init__(self, pool: Pool, settings: Settings, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._settings = settings
        self._mailer = Mailer(settings, clock)

    async def queue(self) -> int:
        return await queue_messages(self._pool, self._settings)

    async def send(self) -> int:
        return await self._mailer.send_messages(self._pool, self._settings)

    async def run(self) -> None:
        """Queue and send all messages that are due."""
        await self.queue()
        await self.send()


def age_history(database_url: str) -> None:
    """Make the history an hour older."""
    with psycopg.connect(database_url) as owner:
        owner.execute("alter table order_events disable trigger order_events_append_only")
        owner.execute("update order_events set created_at = created_at - interval '1 hour'")
        owner.execute("alter table order_events enable trigger order_events_append_only")


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def post(pool: Pool, settings: Settings, clock: Clock) -> Post:
    return Post(pool, settings, clock)
