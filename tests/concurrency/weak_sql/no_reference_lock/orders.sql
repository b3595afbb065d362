-- name: start_batch
-- Lock no reference, and report none as locked.
select
    now() as created_at,
    '{}'::text[] as in_flight,
    array(
        select known.tier_id
        from
            unnest(
                %(tier_ids)s::integer[],
                %(event_ids)s::integer[],
                %(revisions)s::integer[],
                %(updated_at)s::timestamptz[]
            ) as known (tier_id, event_id, revision, updated_at)
        where
            not exists (
                select 1
                from events
                where
                    events.id = known.event_id
                    and events.revision = known.revision
                    and events.updated_at = known.updated_at
            )
    ) as changed_tiers,
    array(
        select nextval('orders_id_seq')
        from generate_series(1, %(orders)s)
    ) as order_ids,
    array(
        select nextval('bookings_id_seq')
        from generate_series(1, %(bookings)s)
    ) as booking_ids
where %(references)s::text[] is not null;
