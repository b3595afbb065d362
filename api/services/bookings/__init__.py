"""Bookings: requests join batches, and each batch is one transaction.

- `batcher`: the queue of requests; two transactions at a time in each process (group commit)
- `batch`: one batch: a direct sale, then the careful path with prefetch, transaction and classification of refusals
- `direct_sale`: requests of known tiers in one round trip
- `memory`: everything that a process remembers of earlier batches
- `prefetch`: everything a batch reads before its transaction
- `seat_search`: the search for the best free seats
- `records`: the rows that a batch inserts
- `limits`, `buyers`: the statements of the limits of bookings and of tickets per buyer
- `parts`: the items of a request with their tiers
- `model`, `quantities`, `refusals`, `allocation`, `seating`, `shares`, `allowance`, `ticket_allowance`: values and
  decisions without I/O
"""
