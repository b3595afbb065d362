-- Shares of standing tiers, which are ranges of positions. Each batch in flight claims from shares of its own. So it does not
-- read the tickets that concurrent batches sell, and SERIALIZABLE has no reason to abort one of them.

drop function book_batch, claim_any;

create function claim_any(
    tier integer,
    start integer,
    share_width integer,
    shares integer[],
    quantity integer,
    except_ids bigint[],
    out ids bigint[],
    out ctids tid[],
    out spent integer
)
language plpgsql
as $$
declare
    more_ids bigint[];
    more_ctids tid[];
begin
    ids := '{}';
    ctids := '{}';

    -- 1. The shares of the caller. A share that another transaction has locked is spent for this caller.
    for number in 1..cardinality(shares) loop
        spent := number - 1;
        continue when not pg_try_advisory_xact_lock(tier, shares[number]);
        select array_agg(locked.id), array_agg(locked.ctid)
        into more_ids, more_ctids
        from (
            select tickets.id, tickets.ctid
            from tickets
            where
                tickets.tier_id = tier and tickets.status = 'available'
                and tickets.position >= shares[number] and tickets.position < shares[number] + share_width
                and tickets.id <> all(except_ids)
            order by tickets.position
            limit quantity - cardinality(ids)
            for update skip locked
        ) as locked;
        ids := ids || more_ids;
        ctids := ctids || more_ctids;
        if cardinality(ids) = quantity then
            return;
        end if;
    end loop;
    spent := cardinality(shares);

    -- 2. The rest of the tier, from the start position and with wrap-around.
    select array_agg(locked.id), array_agg(locked.ctid)
    into more_ids, more_ctids
    from (
        select tickets.id, tickets.ctid
        from tickets
        where
            tickets.tier_id = tier and tickets.status = 'available' and tickets.position >= start
            and tickets.id <> all(except_ids || ids)
        order by tickets.position
        limit quantity - cardinality(ids)
        for update skip locked
    ) as locked;
    ids := ids || more_ids;
    ctids := ctids || more_ctids;
    if cardinality(ids) = quantity then
        return;
    end if;

    select array_agg(locked.id), array_agg(locked.ctid)
    into more_ids, more_ctids
    from (
        select tickets.id, tickets.ctid
        from tickets
        where
            tickets.tier_id = tier and tickets.status = 'available' and tickets.position < start
            and tickets.id <> all(except_ids || ids)
        order by tickets.position
        limit quantity - cardinality(ids)
        for update skip locked
    ) as locked;
    ids := ids || more_ids;
    ctids := ctids || more_ctids;
end
$$;
comment on function claim_any is
'Lock any tickets of a standing tier without waiting: from shares, and then from a start position with wrap-around';

create function book_batch(
    -- The tiers of the batch, as the caller has read them. A claim takes standing tickets from shares of its tier, and the
    -- missing ones from the start position on. A share is a range of positions. The shares of the tiers follow each other.
    tier_ids integer[],
    tier_event_ids integer[],
    tier_revisions integer[],
    tier_updated_at timestamptz[],
    tier_starts integer[],
    tier_claims integer[],
    tier_share_widths integer[],
    tier_share_counts integer[],
    -- The first positions of the shares.
    shares integer[],
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
    order_access_digests bytea[],
    order_accounts bigint[],
    order_emails text[],
    order_locales text[],
    -- A line for each ticket, in the order of the lines within an order.
    line_orders integer[],
    line_numbers smallint[],
    line_tiers integer[],
    line_prices bigint[],
    -- The index of the line's ticket among the tickets. The chosen tickets precede those that each tier claims.
    line_places integer[],
    inout ticket_ids bigint[],
    ticket_ctids tid[],
    -- The lengths of the holds in the batch; null for sales.
    hold_lengths integer[],
    -- The settings.
    bookings_per_minute integer,
    check_after_ms integer,
    -- The results, by order, by line and by tier. An order without a cause was sold, or declined without tickets. The first
    -- shares of a tier are spent, because they have no more tickets or belong to another transaction.
    out created_at timestamptz,
    out causes text[],
    out order_ids bigint[],
    out booking_ids bigint[],
    out spent_shares integer[]
)
language plpgsql
as $$
declare
    chosen constant bigint[] := ticket_ids;
    locked bigint[];
    changed integer[];
    exhausted text[];
    claimed record;
    missing integer;
    last_share integer := 0;
    hold_length integer;
    marked bigint := 0;
begin
    created_at := now();
    causes := array_fill(null::text, array[cardinality(order_references)]);
    order_ids := array_fill(null::bigint, array[cardinality(order_references)]);
    booking_ids := array_fill(null::bigint, array[cardinality(line_orders)]);
    spent_shares := array_fill(0, array[cardinality(tier_ids)]);

    -- 1. Lock the references. An order in flight may have locked the same tickets.
    for number in 1..cardinality(order_references) loop
        if not lock_reference(order_references[number]) then
            causes[number] := 'in_flight';
        end if;
    end loop;

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
        causes := leave_out(causes, array(
            select line.order_number
            from unnest(line_orders, line_tiers) as line (order_number, tier_id)
            where line.tier_id = any(changed)
        ), 'changed_tier');
    end if;

    -- 3. Lock the chosen tickets. A ctid may belong to another ticket by now. A ticket without a ctid is not locked.
    if chosen <> '{}' then
        if array_remove(causes, null) <> '{}' then
            for number in 1..cardinality(line_orders) loop
                if causes[line_orders[number]] is not null and line_places[number] <= cardinality(chosen) then
                    ticket_ctids[line_places[number]] := null;
                end if;
            end loop;
        end if;
        locked := lock_chosen(chosen, ticket_ctids);
        if cardinality(locked) < cardinality(chosen) then
            causes := leave_out(causes, array(
                select line.order_number
                from unnest(line_orders, line_places) as line (order_number, index)
                where line.index <= cardinality(chosen) and chosen[line.index] <> all(locked)
            ), 'locked_tickets');
        end if;
    end if;

    -- 4. Claim standing tickets, also for the orders that are left out. A tier that falls short sells nothing here.
    for number in 1..cardinality(tier_ids) loop
        continue when tier_claims[number] = 0;
        last_share := last_share + tier_share_counts[number];
        claimed := claim_any(
            tier_ids[number],
            tier_starts[number],
            tier_share_widths[number],
            shares[last_share - tier_share_counts[number] + 1:last_share],
            tier_claims[number],
            chosen
        );
        spent_shares[number] := claimed.spent;
        missing := tier_claims[number] - cardinality(claimed.ids);
        ticket_ids := ticket_ids || claimed.ids || array_fill(null::bigint, array[missing]);
        ticket_ctids := ticket_ctids || claimed.ctids || array_fill(null::tid, array[missing]);
        if missing > 0 then
            causes := leave_out(causes, array(
                select line.order_number
                from unnest(line_orders, line_tiers, line_places) as line (order_number, tier_id, index)
                where line.index > cardinality(chosen) and line.tier_id = tier_ids[number]
            ), 'insufficient');
        end if;
    end loop;

    -- 5. Note the bookings of the buyers.
    if bookings_per_minute > 0 then
        exhausted := note_buyers(order_buyers, causes, bookings_per_minute);
        if exhausted <> '{}' then
            causes := leave_out(causes, array(
                select number::integer
                from unnest(order_buyers) with ordinality as each (buyer, number)
                where buyer = any(exhausted)
            ), 'exhausted_limit');
        end if;
    end if;

    -- 6. Draw the ids. A declined order leaves its tickets to other orders.
    for number in 1..cardinality(order_references) loop
        if causes[number] is null then
            order_ids[number] := nextval('orders_id_seq');
        end if;
    end loop;
    for number in 1..cardinality(line_orders) loop
        if order_ids[line_orders[number]] is not null and order_payments[line_orders[number]] <> 'declined' then
            booking_ids[number] := nextval('bookings_id_seq');
        end if;
    end loop;

    -- 7. Insert the orders, in the order of their references, with their payments and bookings.
    with new_orders as (
        insert into orders (
            id, event_id, reference, user_id, request_digest, status, quantity, total_minor, currency, expires_at,
            client_hash, access_digest, account_id, email, locale
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
            new.client_hash,
            new.access_digest,
            new.account_id,
            new.email,
            new.locale
        from unnest(
            order_ids, order_event_ids, order_references, order_user_ids, order_digests, order_payments,
            order_quantities, order_totals, order_currencies, order_hold_seconds, order_clients,
            order_access_digests, order_accounts, order_emails, order_locales
        ) as new (
            id, event_id, reference, user_id, request_digest, payment, quantity, total_minor, currency, hold_seconds,
            client_hash, access_digest, account_id, email, locale
        )
        where new.id is not null
        order by new.reference collate "C"
    ),

    new_payments as (
        insert into payments (order_id, status, amount_minor, currency, next_check_at)
        select
            new.order_id,
            new.payment,
            new.total_minor,
            new.currency,
            case when new.payment = 'pending' then now() + make_interval(secs => check_after_ms / 1000.0) end
        from unnest(order_ids, order_payments, order_totals, order_currencies)
            as new (order_id, payment, total_minor, currency)
        where new.order_id is not null
    )

    insert into bookings (id, order_id, line, ticket_id, tier_id, price_minor)
    select new.id, order_ids[new.order_number], new.line, ticket_ids[new.index], new.tier_id, new.price_minor
    from unnest(booking_ids, line_orders, line_numbers, line_places, line_tiers, line_prices)
        as new (id, order_number, line, index, tier_id, price_minor)
    where new.id is not null;

    -- 8. Mark the tickets of the bookings, those of each hold at once. A missing length would leave some available.
    foreach hold_length in array hold_lengths loop
        marked := marked + mark_tickets(
            array(
                select ticket_ctids[line.index]
                from unnest(booking_ids, line_orders, line_places) as line (booking_id, order_number, index)
                where
                    line.booking_id is not null
                    and order_hold_seconds[line.order_number] is not distinct from hold_length
            ),
            now() + make_interval(secs => hold_length)
        );
    end loop;
    perform require_rows(marked, cardinality(array_remove(booking_ids, null)), 'assert_failure');
end
$$;
comment on function book_batch is 'Sell, hold or decline the orders of a batch; leave out and do not touch those that need the careful path';
