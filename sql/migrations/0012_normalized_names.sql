-- Names of buyers in one spelling: canonical composition (NFC).
-- Equal names can differ in bytes: macOS and some keyboards type decomposed characters.

update orders
set user_id = normalize(user_id, nfc)
where user_id is not nfc normalized;
alter table orders
add constraint orders_user_normalized_check check (user_id is nfc normalized);
comment on constraint orders_user_normalized_check on orders is 'One spelling of a name is one buyer';
comment on column booking_limits.user_id is 'Key of the buyer''s name; look-alike names share it (api/text.py)';
