"""A running system that the tests of all endpoints share."""

from collections.abc import Iterator

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import BoxOffice, client_of, new_event, running_system
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
def office(stack: Stack, client: httpx.Client) -> BoxOffice:
    """The box office of an event without sales."""
    return BoxOffice(client, new_event(stack))


@pytest.fixture(scope="package")
def untouched(stack: Stack, client: httpx.Client) -> BoxOffice:
    """The same, for tests that only read."""
    return BoxOffice(client, new_event(stack))


@pytest.fixture(scope="package")
def declining_office(server: EmbeddedServer) -> Iterator[BoxOffice]:
    """The box office of a system that declines every payment."""
    with running_system(server, PAYMENT_SUCCESS_RATE="0") as stack, client_of(stack) as client:
        yield BoxOffice(client)
