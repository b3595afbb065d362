"""The metrics sum over all processes of the API, and keep the counts of a process that has stopped."""

import asyncio
import os
import re

import httpx

from api.commands.forked_processes import STOP_SIGNAL
from tests.conftest import StartStack
from tests.faults.target import children_of, until
from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP, Stack
from tests.waiting import read_until

PATH = "/api/tickets/availability"
COUNT = re.compile(rf'http_requests_total\{{method="GET",route="{PATH}",status="200"\}} (\d+)\.0')
DURATIONS = re.compile(rf'http_request_duration_seconds_count\{{route="{PATH}"\}} (\d+)\.0')
REQUESTS = 40


async def counts(stack: Stack) -> tuple[list[int], list[int]]:
    """Return the numbers of counted and of timed requests that one process reports."""
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=HTTP_TIMEOUT_S, verify=PLAIN_HTTP) as client:
        text = (await client.get("/metrics")).text
    return [int(count) for count in COUNT.findall(text)], [int(count) for count in DURATIONS.findall(text)]


async def request(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=HTTP_TIMEOUT_S, verify=PLAIN_HTTP) as client:
        assert (await client.get(PATH)).status_code == 200


async def test_every_process_reports_the_counts_of_all_also_of_a_stopped_one(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2)
    await asyncio.gather(*(request(stack) for _ in range(REQUESTS)))  # The connections reach both processes.
    for _ in range(10):  # Each one may reach another process.
        await read_until(lambda: counts(stack), lambda found: found == ([REQUESTS], [REQUESTS]))

    before = children_of(stack.api_process.pid)
    await asyncio.gather(*(request(stack) for _ in range(REQUESTS)))
    os.kill(before[0], STOP_SIGNAL)
    await until(lambda: before[0] not in children_of(stack.api_process.pid), "the process has stopped")
    await read_until(lambda: counts(stack), lambda found: found == ([2 * REQUESTS], [2 * REQUESTS]))
