"""PostgreSQL: pool, sessions, queries, migrations and the embedded server."""
