-- A batch of orders in one call, so that BEGIN, the call and COMMIT share a round trip. The README of this folder explains
-- the steps. The functions contain no read of orders, payments or bookings. Such a read would predicate-lock pages to
-- which concurrent bookings add their rows.

create function lock_references(wanted text[]) returns boolean[]
language plpgsql
as $$
begin
    return array(
        select pg_try_advisory_xact_lock(hashtextextended(reference, 20261122))
        from unnest(wanted) with ordinality as each (reference, number)
        order by number
    );
end
$$;
comment on function lock_references is 'Lock references without waiting; false means that another transaction has locked the reference';

create function lock_tickets(wanted tid[]) returns table (id bigint, ctid tid)
language plpgsql
as $$
begin
    -- A condition on the status would let the planner read the whole index of available tickets.
    return query
    select locked.id, locked.ctid
    from (
        select tickets.id, tickets.ctid, tickets.status
        from tickets
        where tickets.ctid = any(wanted)
        for update skip locked
    ) as locked
    where locked.status = 'available';
end
$$;
comment on function lock_tickets is 'Lock tickets without waiting; return the available ones among them';

create function claim_standing(
    tier integer, start integer, quantity integer, except_ids bigint[], out ids bigint[], out ctids tid[]
)
language plpgsql
as $$
declare
    before_ids bigint[];
    before_ctids tid[];
begin
    select coalesce(array_agg(locked.id), '{}'), coalesce(array_agg(locked.ctid), '{}')
    into ids, ctids
    from (
        select tickets.id, tickets.ctid
        from tickets
        where
            tickets.tier_id = tier and tickets.status = 'available' and tickets.position >= start
            and tickets.id <> all(except_ids)
        order by tickets.position
        limit quantity
        for update skip locked
    ) as locked;
    if cardinality(ids) = quantity then
        return;
    end if;

    select array_agg(locked.id), array_agg(locked.ctid)
    into before_ids, before_ctids
    from (
        select tickets.id, tickets.ctid
        from tickets
        where
            tickets.tier_id = tier and tickets.status = 'available' and tickets.position < start
            and tickets.id <> all(except_ids)
        order by tickets.position
        limit quantity - cardinality(ids)
        for update skip locked
    ) as locked;
    ids := ids || before_ids;
    ctids := ctids || before_ctids;
end
$$;
comment on function claim_standing is 'Lock any tickets of a standing tier without waiting, from a start position with wrap-around';

create function note_bookings(buyers text[], per_minute integer, out exhausted text[])
language plpgsql
as $$
begin
    -- The update's condition does not apply to a buyer without a row, so the insert has a condition of its own.
    with noted as (
        insert into booking_limits (user_id, booked_at)
        select buyer, array_fill(now(), array[count(*)::integer])
        from unnest(buyers) as each (buyer)
        group by buyer
        having count(*) <= per_minute
        order by buyer collate "C"
        on conflict on constraint booking_limits_pkey do update
            set booked_at = recent(booking_limits.booked_at, interval '2 minutes') || excluded.booked_at
            where
            cardinality(recent(booking_limits.booked_at, interval '1 minute'))
            + cardinality(excluded.booked_at)
            <= per_minute
        returning user_id
    )

    select coalesce(array_agg(buyer), '{}')
    into exhausted
    from unnest(buyers) as each (buyer)
    where buyer not in (select user_id from noted);
end
$$;
comment on function note_bookings is 'Note a booking for each element; return the buyers whose limit does not admit all of their bookings';

create function take_tickets(taken tid[], hold_until timestamptz) returns void
language plpgsql
as $$
declare
    changed bigint;
begin
    update tickets
    set
        status = case when hold_until is null then 'sold' else 'held' end,
        held_until = hold_until
    where ctid = any(taken);
    get diagnostics changed = row_count;
    perform require_rows(changed, cardinality(taken), 'assert_failure');
end
$$;
comment on function take_tickets is 'Mark locked tickets as sold, or as held until a time';

create function leave_out(causes text[], numbers integer[], cause text) returns text[]
language plpgsql
immutable
as $$
declare
    number integer;
begin
    foreach number in array numbers loop
        causes[number] := coalesce(causes[number], cause);
    end loop;
    return causes;
end
$$;
comment on function leave_out is 'Note a cause for orders of a batch; an order keeps its first cause';

create function book_batch(
    -- The tiers of the batch, as the caller has read them. A claim of standing tickets begins at the start position.
    tier_ids integer[],
    tier_event_ids integer[],
    tier_revisions integer[],
    tier_updated_at timestamptz[],
    tier_starts integer[],
    -- The orders. A payment is captured, pending or declined. Only a pending one has a hold and a client.
    order_references text[],
    order_event_ids integer[],
    order_user_ids text[],
    order_buyers text[],
    order_digests bytea[],
    order_quantities smallint[],
    order_totals bigint[],
    order_currencies text[],
    order_payments text[],
    order_hold_seconds integer[],
    order_clients bytea[],
    -- A line for each ticket, in the order of the lines within an order. A line without a ticket gets any one.
    line_orders integer[],
    line_numbers smallint[],
    line_tiers integer[],
    line_prices bigint[],
    inout line_tickets bigint[],
    line_ctids tid[],
    -- The settings.
    bookings_per_minute integer,
    check_after_ms integer,
    -- The results, by order and by line. An order without a cause was sold, or declined without tickets.
    out created_at timestamptz,
    out causes text[],
    out order_ids bigint[],
    out booking_ids bigint[]
)
language plpgsql
as $$
declare
    numbers integer[];
    changed integer[];
    exhausted text[];
    tier record;
    claimed record;
    hold record;
begin
    created_at := now();

    -- 1. Lock the references. An order in flight may have locked the same tickets.
    causes := array(
        select case when not is_free then 'in_flight' end
        from unnest(lock_references(order_references)) with ordinality as each (is_free, number)
        order by number
    );

    -- 2. Compare the tiers with their events. The price and the decision of the caller fit only the known revision.
    changed := array(
        select known.tier_id
        from unnest(tier_ids, tier_event_ids, tier_revisions, tier_updated_at)
            as known (tier_id, event_id, revision, updated_at)
        where not exists (
            select 1
            from events
            cross join lateral event_rules(
                events.sales_start_at, events.sales_end_at, events.starts_at, events.ends_at, events.cancelled_at, now()
            ) as rules
            where
                events.id = known.event_id
                and events.revision = known.revision
                and events.updated_at = known.updated_at
                and rules.sale = 'on_sale'
        )
    );
    if changed <> '{}' then
        numbers := array(
            select line.order_number
            from unnest(line_orders, line_tiers) as line (order_number, tier_id)
            where line.tier_id = any(changed)
        );
        causes := leave_out(causes, numbers, 'changed_tier');
    end if;

    -- 3. Lock the chosen tickets. A ctid may belong to another ticket by now.
    if array_remove(line_tickets, null) <> '{}' then
        numbers := array(
            select line.order_number
            from unnest(line_orders, line_tickets, line_ctids) as line (order_number, ticket_id, ctid)
            where
                line.ticket_id is not null
                and causes[line.order_number] is null
                and (line.ticket_id, line.ctid) not in (
                    select locked.id, locked.ctid
                    from lock_tickets(
                        array(
                            select wanted.ctid
                            from unnest(line_orders, line_ctids) as wanted (order_number, ctid)
                            where wanted.ctid is not null and causes[wanted.order_number] is null
                        )
                    ) as locked
                )
        );
        causes := leave_out(causes, numbers, 'locked_tickets');
    end if;

    -- 4. Claim standing tickets for the other lines. A tier that falls short sells nothing here.
    for tier in
        select
            line.tier_id,
            tier_starts[array_position(tier_ids, line.tier_id)] as start,
            array_agg(line.number::integer) filter (where line.ticket_id is null) as lines,
            coalesce(array_agg(line.ticket_id) filter (where line.ticket_id is not null), '{}') as chosen
        from unnest(line_orders, line_tiers, line_tickets) with ordinality
            as line (order_number, tier_id, ticket_id, number)
        where causes[line.order_number] is null
        group by line.tier_id
        having bool_or(line.ticket_id is null)
        order by line.tier_id
    loop
        claimed := claim_standing(tier.tier_id, tier.start, cardinality(tier.lines), tier.chosen);
        if cardinality(claimed.ids) < cardinality(tier.lines) then
            numbers := array(
                select line_orders[line]
                from unnest(tier.lines) as each (line)
            );
            causes := leave_out(causes, numbers, 'insufficient');
        else
            for number in 1..cardinality(tier.lines) loop
                line_tickets[tier.lines[number]] := claimed.ids[number];
                line_ctids[tier.lines[number]] := claimed.ctids[number];
            end loop;
        end if;
    end loop;

    -- 5. Note the bookings of the buyers.
    if bookings_per_minute > 0 then
        exhausted := note_bookings(
            array(
                select buyer
                from unnest(order_buyers, causes) as each (buyer, cause)
                where cause is null
            ),
            bookings_per_minute
        );
        if exhausted <> '{}' then
            numbers := array(
                select number
                from unnest(order_buyers) with ordinality as each (buyer, number)
                where buyer = any(exhausted)
            );
            causes := leave_out(causes, numbers, 'exhausted_limit');
        end if;
    end if;

    -- 6. Insert the orders, in the order of their references, with their payments.
    order_ids := array(
        select case when cause is null then nextval('orders_id_seq') end
        from unnest(causes) with ordinality as each (cause, number)
        order by number
    );
    insert into orders (
        id, event_id, reference, user_id, request_digest, status, quantity, total_minor, currency, expires_at,
        client_hash
    )
    select
        new.id,
        new.event_id,
        new.reference,
        new.user_id,
        new.request_digest,
        case new.payment when 'captured' then 'confirmed' else new.payment end,
        new.quantity,
        new.total_minor,
        new.currency,
        now() + make_interval(secs => new.hold_seconds),
        new.client_hash
    from unnest(
        order_ids, order_event_ids, order_references, order_user_ids, order_digests, order_payments, order_quantities,
        order_totals, order_currencies, order_hold_seconds, order_clients
    ) as new (
        id, event_id, reference, user_id, request_digest, payment, quantity, total_minor, currency, hold_seconds,
        client_hash
    )
    where new.id is not null
    order by new.reference collate "C";

    insert into payments (order_id, status, amount_minor, currency, next_check_at)
    select
        new.order_id,
        new.payment,
        new.total_minor,
        new.currency,
        case when new.payment = 'pending' then now() + make_interval(secs => check_after_ms / 1000.0) end
    from unnest(order_ids, order_payments, order_totals, order_currencies)
        as new (order_id, payment, total_minor, currency)
    where new.order_id is not null;

    -- 7. Insert the bookings, and mark their tickets. A declined order leaves its tickets to other orders.
    booking_ids := array(
        select
            case
                when order_ids[order_number] is not null and order_payments[order_number] <> 'declined'
                    then nextval('bookings_id_seq')
            end
        from unnest(line_orders) with ordinality as each (order_number, number)
        order by number
    );
    insert into bookings (id, order_id, line, ticket_id, tier_id, price_minor)
    select new.id, order_ids[new.order_number], new.line, new.ticket_id, new.tier_id, new.price_minor
    from unnest(booking_ids, line_orders, line_numbers, line_tickets, line_tiers, line_prices)
        as new (id, order_number, line, ticket_id, tier_id, price_minor)
    where new.id is not null;

    for hold in
        select
            order_hold_seconds[line.order_number] as seconds,
            array_agg(line.ctid) as ctids
        from unnest(booking_ids, line_orders, line_ctids) as line (booking_id, order_number, ctid)
        where line.booking_id is not null
        group by 1
    loop
        perform take_tickets(hold.ctids, now() + make_interval(secs => hold.seconds));
    end loop;
end
$$;
comment on function book_batch is 'Sell, hold or decline the orders of a batch; leave out and do not touch those that need the careful path';
