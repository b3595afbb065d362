"""Bodies arrive in time and completely, or their request gets an error."""

import asyncio
from typing import Any

import pytest

from api.errors import InvalidRequest, RequestTimeout
from api.http.request_stream import BodyTimeout

PART: dict[str, Any] = {"type": "http.request", "body": b"x", "more_body": True}
END: dict[str, Any] = {"type": "http.request", "body": b"x", "more_body": False}
GONE: dict[str, Any] = {"type": "http.disconnect"}
NEVER_S = 60.0
SOON_S = 0.02


class Client:
    """Sends the messages of a request, then nothing more."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)

    async def receive(self) -> Any:
        if self._messages:
            return self._messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError


async def read(limit: BodyTimeout, *messages: dict[str, Any]) -> int:
    """Read a body to its end; return the number of its parts."""
    receive: Any = limit.watch(Client(*messages).receive).receive
    parts = 1
    while (await receive())["more_body"]:
        parts += 1
    return parts


async def test_a_complete_body_is_received() -> None:
    assert await read(BodyTimeout(NEVER_S), PART, PART, END) == 3


@pytest.mark.parametrize("sent", [[], [PART], [PART, PART]])
async def test_a_late_body_is_a_timeout_and_not_a_cancellation(sent: list[dict[str, Any]]) -> None:
    with pytest.raises(RequestTimeout):
        await read(BodyTimeout(SOON_S), *sent)
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_every_late_body_is_a_timeout_beside_complete_ones() -> None:
    limit = BodyTimeout(SOON_S)
    messages = [[END], [PART], [PART, END], [], [END]]
    results = await asyncio.gather(*(read(limit, *each) for each in messages), return_exceptions=True)
    assert [type(result) for result in results] == [int, RequestTimeout, int, RequestTimeout, int]
    later = await asyncio.gather(read(limit), read(limit, END), return_exceptions=True)
    assert [type(result) for result in later] == [RequestTimeout, int]


async def test_a_body_that_is_late_between_two_reads_is_a_timeout() -> None:
    limit = BodyTimeout(SOON_S)
    receive = limit.watch(Client(PART, PART).receive).receive
    await receive()
    with pytest.raises(RequestTimeout):
        await read(limit)  # Its deadline is later.
    with pytest.raises(RequestTimeout):
        await receive()


@pytest.mark.parametrize("sent", [[GONE], [PART, GONE]])
async def test_an_incomplete_body_is_an_invalid_request(sent: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidRequest, match="incomplete"):
        await read(BodyTimeout(NEVER_S), *sent)


async def test_after_the_body_the_departure_of_the_client_is_passed_on() -> None:
    receive = BodyTimeout(NEVER_S).watch(Client(END, GONE).receive).receive
    assert await receive() == END
    assert await receive() == GONE


async def test_a_cancelled_request_stays_cancelled() -> None:
    task = asyncio.create_task(read(BodyTimeout(NEVER_S)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_body_that_has_arrived_or_whose_request_has_ended_takes_no_memory() -> None:
    limit = BodyTimeout(NEVER_S)
    waiting = limit.watch(Client(PART).receive)  # An earlier body that is still arriving must not keep later ones.
    for _ in range(3):
        await read(limit, PART, END)
        with pytest.raises(InvalidRequest):
            await read(limit, GONE)
        limit.watch(Client().receive).end()  # Refused before the body was read.
    assert len(limit) == 1
    waiting.end()
    assert len(limit) == 0


async def test_the_rest_of_a_body_is_received_after_the_clock_has_stopped() -> None:
    arrival = BodyTimeout(SOON_S).watch(Client(PART, END).receive)
    assert await arrival.receive() == PART
    arrival.end()
    await asyncio.sleep(2 * SOON_S)
    assert await arrival.receive() == END
