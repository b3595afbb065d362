"""Fixtures of the tests of access."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.access.accounts import Api, running_api


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """An API in this process, whose limits no test reaches."""
    async with running_api(database_url, tmp_path) as api:
        yield api
