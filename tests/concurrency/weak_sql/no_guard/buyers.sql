-- name: move_guards
-- Move the guards of buyers, whatever their versions are.
with moved as (
    insert into buyer_guards (event_id, limit_key, version, revision)
    select
        event_id,
        limit_key,
        coalesce(version::xid8, pg_current_xact_id()),
        revision
    from
        unnest(%(event_ids)s::integer[], %(limit_keys)s::text[], %(versions)s::text[], %(revisions)s::integer[])
            as buyer (event_id, limit_key, version, revision)
    on conflict on constraint buyer_guards_pkey do update
        set
            version = pg_current_xact_id(),
            revision = excluded.revision
    returning version
)

select require_rows(count(*), cardinality(%(limit_keys)s::text[]), 'serialization_failure')
from moved;
