"""A process that simulates a share of the browsers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import uvloop

from tests.webapp.load_test.browser import Browser
from tests.webapp.load_test.plan import Measured, Plan


def play(number: int, plan: Plan, ports: tuple[int, int], start_booking_at: float) -> Measured:
    """Simulate one process's share of the browsers. `start_booking_at` is a time of the system's clock."""
    return uvloop.run(_play(number, plan, ports, start_booking_at))


async def _play(number: int, plan: Plan, ports: tuple[int, int], start_booking_at: float) -> Measured:
    measured = Measured()
    browsers = [Browser(f"load-{number}-{each}", ports, measured) for each in range(plan.browsers)]
    await _in_turn(plan.arrivals, [browser.arrive for browser in browsers])
    if (wait_s := start_booking_at - time.time()) < 0:
        measured.errors["the browsers arrived too late for the bookings"] += 1
    await asyncio.sleep(wait_s)
    measured.poll_ms.clear()
    bookings = min(round(plan.rate * plan.seconds), plan.browsers)
    await _in_turn(plan.rate, [browser.book for browser in browsers[:bookings]])
    for browser in browsers:
        browser.leave()
    return measured


async def _in_turn(rate: float, jobs: Sequence[Callable[[float], Awaitable[None]]]) -> None:
    """Start jobs at a rate per second, even if earlier jobs are unfinished, and wait for all of them."""
    began = time.perf_counter()
    running = []
    for number, job in enumerate(jobs):
        due = began + number / rate
        await asyncio.sleep(due - time.perf_counter())
        running.append(asyncio.ensure_future(job(due)))
    await asyncio.gather(*running)
