-- The running workers, each with the time of its last heartbeat.

create table workers (
    id text not null constraint workers_pkey primary key,
    started_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    constraint workers_id_check check (length(id) between 1 and 300)
) with (fillfactor = 50);
comment on table workers is 'One row per running worker. The row of a killed worker stays until a purge';
comment on column workers.id is 'Host name and process id, separated by a colon';
comment on column workers.heartbeat_at is 'Time of the last heartbeat; an old one means that the worker is frozen, cut off or killed';
comment on constraint workers_pkey on workers is 'The id identifies a worker';
comment on constraint workers_id_check on workers is 'An id has 1 to 300 characters';
