"""Passwords in the address of a database reach libpq unchanged, and no output shows them."""

import subprocess
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.__main__ import main
from api.addresses import parse_database
from api.config import Settings
from api.database import migrations, schema_dump
from api.database.pool import open_pool
from api.errors import ConfigError, SetupError

PASSWORDS = [
    *("sentinel", "sen?tinel", "sen%tinel", "sen@tinel", "sen/tinel", "sen tinel", " sentinel ", "sen:tinel"),
    *("sen#tinel", "sen&tinel=1", "sen'tinel", 'sen"tinel', "sen\\tinel", "sen,tinel", "[sentinel]", "sen%40tinel"),
    *("sentinel\u00fc", "\u79d8\u5bc6sentinel", "sen=tinel", "sentinel'", "?target_session_attrs=any"),
]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("name", ["password", "sslpassword"])
def test_a_password_reaches_libpq_unchanged(name: str, password: str) -> None:
    rest = "127.0.0.1:1,[::1]:2/tickets"
    forms = [
        f"postgresql://ann@{rest}?{name}={quote(password, safe='')}",
        make_conninfo("", host="127.0.0.1,::1", port="1,2", user="ann", dbname="tickets", **{name: password}),
    ]
    if name == "password":
        forms.append(f"postgresql://ann:{quote(password, safe='')}@{rest}")
    for form in forms:
        for again in (form, parse_database(form)):  # `make run` hands the parsed form to its processes.
            assert conninfo_to_dict(parse_database(again)) == {
                "user": "ann",
                name: password,
                "host": "127.0.0.1,::1",
                "port": "1,2",
                "dbname": "tickets",
                "target_session_attrs": "read-write",
            }


def test_libpq_accepts_a_question_mark_in_a_password() -> None:
    parameters = conninfo_to_dict(parse_database("postgresql://q:pa?ss@host/db"))
    assert (parameters["password"], parameters["dbname"]) == ("pa?ss", "db")


@pytest.mark.parametrize(
    "text", ["service=tickets", "passfile=/run/secrets/pgpass host=b", "postgresql:///d?service=s"]
)
def test_services_and_password_files_are_accepted(text: str) -> None:
    assert conninfo_to_dict(parse_database(text)) == {
        **conninfo_to_dict(text),
        "target_session_attrs": "read-write",
    }


REFUSED = [
    *("postgresql://w:top%zzsentinel@host/db", "postgresql://w:%sentinel@host/db", "postgresql://w:sentinel%@host/db"),
    *("mysql://user:sentinel@b/c", "mysql://b/c?user=u&password=sentinel", "user:sentinel@b/c", "sentinel"),
    *("POSTGRESQL://u:sentinel@b/c", "host=b password=sentinel dbname", "host=b pass=sentinel", "password='sentinel"),
    *("postgresql://u:sentinel@b/c?foo=1", "postgresql://u:sentinel@b/c?password", "postgresql://u:sentinel@[::1/c"),
    # A password with @ or / that is not encoded: libpq takes its end for the host or the database.
    *("postgresql://u:x@sentinel@b/c", "postgresql://u:x/sentinel@b/c", "postgresql://u:12/sentinel@b/c"),
    *("postgresql://u:sentinel@b:0/c", "postgresql://u:sentinel@b:99999/c", "postgresql://u:sentinel@b:x/c"),
    *("host=a,b port=1,2,3 password=sentinel", "host=a,b hostaddr=127.0.0.1 password=sentinel"),
    *("host=a port=+1 password=sentinel", "host=a port=\uff11 password=sentinel", "password=sentinel\udcff host=b"),
]


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_DIRECT_URL"])
@pytest.mark.parametrize("text", REFUSED)
def test_a_refused_database_is_not_shown(variable: str, text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({"DATABASE_URL": "postgresql://b/c", variable: text})
    assert str(refusal.value).startswith(f"{variable} is not allowed: it must be a libpq URL such as postgresql://")
    assert "sentinel" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize("variable", ["PUBLIC_API_URL", "PROVIDER_URL", "PSP_WEBHOOK_URL", "WEB_ORIGINS"])
@pytest.mark.parametrize(
    "text",
    [
        *("https://ann:sentinel@pay.example", "https://sentinel@pay.example", "ftp://a:sentinel@b", "//a:sentinel@b"),
        *("https://pay.example?key=sentinel", "https://pay.example/#sentinel", "https://ann:sent%69nel@pay.example"),
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_shown(variable: str, text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({variable: text})
    assert str(refusal.value).startswith(f"{variable} is not allowed: it must be ")
    assert "sent" not in str(refusal.value)


def test_settings_do_not_show_their_secrets() -> None:
    settings = Settings(
        database_url="postgresql://a:sentinel@b/c",
        database_direct_url="password=sentinel",
        payment_webhook_secret="whsec_sentinel",
        ticket_secret="tksec_sentinel",
        access_secret="acsec_sentinel",
        stripe_api_key="sk_sentinel",
        stripe_webhook_secrets="whsec_sentinel",
        session_secrets="sesec_sentinel",
    )
    for text in (repr(settings), str(settings), f"{settings!r:>10}"):
        assert "sentinel" not in text
        assert "database_url='***'" in text
        assert "hold_seconds=300" in text
    assert "database_url=None" in repr(Settings())


@pytest.mark.parametrize("command", ["migrate", "seed", "audit", "schema", "reset", "serve", "worker", "run"])
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DATABASE_URL": "postgresql://u:top%zzsentinel@127.0.0.1:1/d"}, "DATABASE_URL is not allowed: it must be"),
        ({"PROVIDER_URL": "http://u:sentinel@127.0.0.1"}, "PROVIDER_URL is not allowed: it must be"),
    ],
    ids=["database", "provider"],
)
def test_no_command_shows_a_refused_password(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    variables: dict[str, str],
    message: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main([command]) == 1
    output = "".join(capsys.readouterr())
    assert output.startswith(message)
    assert len(output.splitlines()) == 1
    assert "sentinel" not in output


async def test_a_failed_connection_does_not_show_the_password(caplog: pytest.LogCaptureFixture) -> None:
    url = parse_database("postgresql://u:sent%69nel@127.0.0.1:1/d?sslpassword=sentinel")
    with pytest.raises(psycopg.OperationalError) as refused:
        migrations.connect(url)
    assert "sent" not in str(refused.value)
    async with open_pool(url, Settings(db_connect_timeout_s=1)) as pool:
        with pytest.raises(psycopg.OperationalError) as late:
            await pool.getconn(timeout=0.2)
    assert "connection to server at" in caplog.text
    assert "sent" not in caplog.text + str(late.value)


def test_the_schema_command_hides_a_password_from_the_list_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append((command, env))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    schema_dump.dump("postgresql://u:sentinel@h/d")
    ((command, environment),) = calls
    assert "sentinel" not in " ".join(command)
    assert environment["PGPASSWORD"] == "sentinel"
    with pytest.raises(SetupError) as refusal:
        schema_dump.dump("postgresql://u@h/d?sslpassword=sentinel")
    assert str(refusal.value) == "pg_dump would show sslpassword to other users: use a key without a password."
    assert len(calls) == 1
