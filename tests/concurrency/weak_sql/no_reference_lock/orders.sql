-- name: start_batch
-- Lock no reference, and report none as locked.
select
    now() as created_at,
    '{}'::text[] as in_flight,
    array(
        select known.event_id
        from unnest(%(event_ids)s::integer[], %(revisions)s::integer[]) as known (event_id, revision)
        where
            not exists (
                select 1
                from events
                where events.id = known.event_id and events.revision = known.revision
            )
    ) as changed_events,
    array(
        select nextval('orders_id_seq')
        from generate_series(1, %(orders)s)
    ) as order_ids,
    array(
        select nextval('bookings_id_seq')
        from generate_series(1, %(bookings)s)
    ) as booking_ids
where %(references)s::text[] is not null;
