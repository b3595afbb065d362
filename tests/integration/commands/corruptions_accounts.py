"""Statements that violate one invariant of accounts each, for the tests of the audit."""

ACCOUNT_CORRUPTIONS = [
    ("find_foreign_owners", "update orders set account_id = 999999 where id = (select min(id) from orders)"),
    (
        "find_foreign_owners",
        """
        insert into accounts (email) values ('ann@example.org');
        update orders set account_id = (select id from accounts), user_id = 'acct:' || gen_random_uuid()
        where id = (select min(id) from orders)
        """,
    ),
    (
        "find_unverified_passkeys",
        """
        insert into accounts (email) values ('ann@example.org');
        insert into passkeys (account_id, credential_id, public_key, sign_count, transports, name)
        select id, 'c', 'k', 0, '{{}}', 'phone' from accounts
        """,
    ),
    ("find_missing_keys", "drop index grants_live_key"),
]
