-- An index for the search of free seats from the front. The expression keeps the planner from the indexes on
-- (tier_id, position), which would provide the same order: tickets_tier_position_key contains every sold seat.

create index tickets_available_seats_idx on tickets (tier_id, (position + 0))
where status = 'available' and row_label is not null;
comment on index tickets_available_seats_idx is 'Seats that are available, from the front';
