"""A running system that the tests of all endpoints share."""

from collections.abc import Iterator

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import Buyer, client_of, new_event, running_system
from tests.stack import Stack


@pytest.fixture(scope="package")
def stack(server: EmbeddedServer) -> Iterator[Stack]:
    with running_system(server, API_WORKERS="2") as stack:
        yield stack


@pytest.fixture(scope="package")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with client_of(stack) as client:
        yield client


@pytest.fixture
def buyer(stack: Stack, client: httpx.Client) -> Buyer:
    """A buyer at an event without sales."""
    return Buyer(client, new_event(stack))


@pytest.fixture(scope="package")
def untouched(stack: Stack, client: httpx.Client) -> Buyer:
    """The same, for tests that only read."""
    return Buyer(client, new_event(stack))


@pytest.fixture(scope="package")
def declined_buyer(server: EmbeddedServer) -> Iterator[Buyer]:
    """A buyer in a system that declines every payment."""
    with running_system(server, PAYMENT_SUCCESS_RATE="0") as stack, client_of(stack) as client:
        yield Buyer(client)
