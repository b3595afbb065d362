"""Bookings: requests join batches, and each batch is one transaction.

- `batcher`: the queue of requests; one transaction at a time in each process (group commit)
- `batch`: one batch: prefetch, transaction, classification of refusals
- `prefetch`: everything a batch reads before its transaction
- `seat_search`: the search for the best free seats
- `records`: the rows that a batch inserts
- `limits`: the statements of the limit per buyer
- `model`, `allocation`, `refusals`, `seating`, `allowance`: values and decisions without I/O
"""
