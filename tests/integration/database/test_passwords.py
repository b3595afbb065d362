"""Passwords with special characters open connections, and a wrong one is not shown."""

from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.__main__ import main
from api.addresses import parse_database
from tests.stack import TEMPLATE, TcpServer, cloned_database

PASSWORDS = ["pa?ss", "pa@ss", "pa/ss", "pa%40ss", "pa ss", "pa'ss\\", "pa&ss=1#", "p\u00e4ss:,[]", "?a=b"]


def test_any_password_opens_a_connection(other_server: TcpServer) -> None:
    rest = f"127.0.0.1:{other_server.port}/{TEMPLATE}"
    with psycopg.connect(other_server.url(TEMPLATE), autocommit=True) as conn:
        conn.execute("create role special login")
        try:
            for password in PASSWORDS:
                conn.execute(sql.SQL("alter role special password {}").format(password))
                url = f"postgresql://special:{quote(password, safe='')}@{rest}"
                pairs = make_conninfo("", **conninfo_to_dict(url))
                for text in (url, pairs):
                    with psycopg.connect(parse_database(text)) as special:
                        assert special.info.user == "special"
            conn.execute("alter role special password 'pa?ss'")
            psycopg.connect(parse_database(f"postgresql://special:pa?ss@{rest}")).close()
        finally:
            conn.execute("drop role special")


@pytest.mark.parametrize("command", ["migrate", "audit", "seed"])
def test_a_wrong_password_is_not_shown(
    other_server: TcpServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with cloned_database(other_server) as url:
        wrong = make_conninfo(url, password="sentinel % secret")
        monkeypatch.setenv("DATABASE_URL", wrong)
        assert main([command]) == 1
    output = "".join(capsys.readouterr())
    assert output.startswith("The database cannot be used: connection failed: ")
    assert "password authentication failed" in output
    assert "sentinel" not in output
