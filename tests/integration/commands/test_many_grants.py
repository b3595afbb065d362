"""The command for roles reaches every grant, however many there are."""

import psycopg
import pytest

from api.__main__ import main
from api.schemas import BUILT_IN_EVENT
from api.services.accounts.grants import LISTED_MAX

ZOE = "zoe@example.org"


@pytest.fixture(autouse=True)
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database with more grants than a response lists; Zoe's are the last ones."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with psycopg.connect(database_url) as conn:
        conn.execute(
            """
            insert into accounts (email)
            select 'staff-' || n || '@example.org' from generate_series(1, %s) as n
            union all select %s
            """,
            [LISTED_MAX, ZOE],
        )
        conn.execute("insert into grants (account_id, role, granted_by) select id, 'door', 'test' from accounts")
        conn.execute(
            """
            insert into grants (account_id, role, event_id, granted_by)
            select accounts.id, 'door', events.id, 'test' from accounts, events
            where accounts.email = %s and events.slug = %s
            """,
            [ZOE, BUILT_IN_EVENT],
        )


def test_every_grant_is_listed_and_can_be_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    def revoke(*event: str) -> int:
        return main(["accounts", "revoke", ZOE, "door", *event])

    def listed() -> list[str]:
        capsys.readouterr()
        assert main(["accounts", "list"]) == 0
        return capsys.readouterr().out.splitlines()

    assert len(listed()) == LISTED_MAX + 2
    assert revoke("--event", "unknown") == 1
    assert revoke("--event", BUILT_IN_EVENT) == 0
    assert [line for line in listed() if line.startswith(ZOE)] == [f"{ZOE}  door  all events"]
    assert [revoke(), revoke()] == [0, 1]
    assert len(listed()) == LISTED_MAX
