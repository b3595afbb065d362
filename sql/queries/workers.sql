-- name: beat
-- Record a worker's heartbeat, without waiting until it is durable.
insert into workers (id)
select %(id)s
from set_config('synchronous_commit', 'off', true)
on conflict on constraint workers_pkey do update set heartbeat_at = now();

-- name: list_workers
-- List the workers with the age of their last heartbeat in seconds, the youngest first.
select
    id,
    extract(epoch from now() - heartbeat_at)::float8 as age_seconds
from workers
order by age_seconds, id;

-- name: delete_worker
-- Delete a worker that stops.
delete from workers
where id = %(id)s;

-- name: delete_silent
-- Delete workers without a heartbeat for an hour.
delete from workers
where heartbeat_at < now() - interval '1 hour';
