-- name: lock_references
-- Lock no reference, and report none as locked.
select reference
from unnest(%(references)s::text[]) as reference
where false;
