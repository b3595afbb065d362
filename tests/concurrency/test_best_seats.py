"""A quantity gets the best free seats, for any number of processes and buyers at once."""

import itertools

from api.commands.seed import TierPlan, seed
from api.services.bookings.seating import Row, SeatRows, choose_seats
from tests.concurrency.clients import PATIENT, codes, post_all, tickets_of
from tests.conftest import StartStack

ROWS, WIDTH = 20, 20
HALL = TierPlan(name="Hall", capacity=ROWS * WIDTH, price_minor=1_000, seats_per_row=WIDTH)
ROWS_OF_HALL = SeatRows([Row(first, first + WIDTH - 1) for first in range(1, ROWS * (WIDTH + 1), WIDTH + 1)])
PAID = PATIENT | {"PAYMENT_SUCCESS_RATE": "1", "BOOKINGS_PER_MINUTE": "0"}
BATCH_MAX = 8
LOCKED_MAX = LEFT_MAX = 2 * BATCH_MAX
"""The seats that one transaction of the other process has locked at most, and those that a batch has left at most."""


def bodies(quantities: list[int]) -> list[dict[str, object]]:
    return [{"tier": "Hall", "quantity": each, "userId": f"buyer-{number}"} for number, each in enumerate(quantities)]


async def test_the_buyers_of_an_empty_house_get_the_best_seats_in_their_order(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=3, env=PAID)
    seed(stack.database_url, event="order", inventory=(HALL,))
    quantities = list(itertools.islice(itertools.cycle([2, 1, 4, 3, 2, 2]), 90))
    free = tickets_of(stack.database_url, "order")
    best = choose_seats(free, dict(enumerate(quantities)), ROWS_OF_HALL)
    expected = [[seat.id for seat in best.seats[number]] for number in range(len(quantities))]
    # Each request has a connection of its own, and the system spreads connections over the processes.
    responses = [(await post_all(stack.api_url, [body], "order"))[0] for body in bodies(quantities)]
    assert [sorted(line["ticketId"] for line in response.json()["bookings"]) for response in responses] == expected


async def test_in_a_stampede_few_better_seats_stay_free(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2, env=PAID | {"BOOKING_BATCH_MAX": str(BATCH_MAX)})
    seed(stack.database_url, event="stampede", inventory=(HALL,))
    responses = await post_all(stack.api_url, bodies([2] * (ROWS * WIDTH // 4)), "stampede")
    assert set(codes(responses)) == {"201"}
    for response in responses:
        first, second = sorted((line["row"], line["seat"]) for line in response.json()["bookings"])
        assert second == (first[0], first[1] + 1)
    state = tickets_of(stack.database_url, "stampede")
    best = choose_seats(state, dict.fromkeys(range(len(responses)), 2), ROWS_OF_HALL)
    expected = {seat.id for chosen in best.seats.values() for seat in chosen}
    sold = {seat.id for seat in state if seat.status == "sold"}
    assert len(sold) == len(expected)
    assert len(sold - expected) <= LOCKED_MAX + LEFT_MAX
