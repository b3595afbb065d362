"""The rate at which a worker reads the history: it waits for more entries unless many are behind."""

import pytest

from api.database.pool import Pool
from api.services.mail import outbox
from tests.integration.asynchronous import INLINE, book, order
from tests.integration.services.mail.conftest import Post


async def test_a_worker_reads_on_only_after_a_full_batch(
    post: Post, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_READ_MAX", 2)
    await book(pool, order(email="ann@example.org"), order(), settings=INLINE)
    assert [await post.queue() for _ in range(3)] == [2, 0, 0]
