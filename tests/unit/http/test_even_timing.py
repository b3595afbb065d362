"""The time of a response is a whole number of steps, whatever the work takes."""

import pytest

from api.errors import Busy
from api.http.even_timing import in_even_time

STEP_S = 0.125


class Clock:
    """A clock that only sleeps and works move. Its times are sums of powers of two, so that they are exact."""

    def __init__(self) -> None:
        self.now = 64.0

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def work(self, seconds: float, error: Exception | None = None) -> str:
        await self.sleep(seconds)
        if error:
            raise error
        return "done"


@pytest.mark.parametrize(
    ("worked_s", "steps"), [(0.0, 1), (0.0009765625, 1), (0.0625, 1), (0.125, 2), (0.25, 3), (0.28125, 3)]
)
@pytest.mark.parametrize("error", [None, Busy()], ids=["result", "error"])
async def test_a_response_takes_a_whole_number_of_steps(worked_s: float, steps: int, error: Exception | None) -> None:
    clock = Clock()
    response = in_even_time(clock.work(worked_s, error), STEP_S, clock=clock.read, sleep=clock.sleep)
    if error:
        with pytest.raises(Busy):
            await response
    else:
        assert await response == "done"
    assert clock.now == 64.0 + steps * STEP_S
