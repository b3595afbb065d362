-- A provider may capture a payment that it has reported as declined. The money is then refunded.

alter table order_events
drop constraint order_events_transition_check,
add constraint order_events_transition_check check (
    subject || ':' || coalesce(previous, 'new') || '>' || status = any('{
        order:new>pending,
        order:new>confirmed,
        order:new>declined,
        order:pending>confirmed,
        order:pending>declined,
        order:pending>expired,
        order:pending>cancelled,
        order:expired>confirmed,
        order:confirmed>cancelled,
        payment:pending>captured,
        payment:pending>declined,
        payment:pending>void,
        payment:pending>refunding,
        payment:declined>refunding,
        payment:void>captured,
        payment:void>refunding,
        payment:captured>refunding,
        payment:captured>refunded,
        payment:refunding>refunded,
        line:live>released,
        refund:new>requested,
        refund:new>succeeded,
        refund:requested>pending,
        refund:requested>succeeded,
        refund:requested>failed,
        refund:pending>succeeded,
        refund:pending>failed,
        refund:failed>requested,
        event:new>changed
    }')
);
comment on constraint order_events_transition_check on order_events
is 'An order, its payment, its lines, which are bookings, and its refunds make only the transitions that the README draws';
