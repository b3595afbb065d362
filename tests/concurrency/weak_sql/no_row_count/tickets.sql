-- name: take_tickets
-- Report every ticket as taken, even if another transaction took it first.
update tickets
set
    status = case when %(held_until)s::timestamptz is null then 'sold' else 'held' end,
    held_until = %(held_until)s
where ctid = any(%(ctids)s::text[]::tid[]);
