"""Root's server runs as a system user, which owns the data; backup tools can use the path of the data."""

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from api.database import embedded
from api.database.embedded import EmbeddedServer
from api.database.programs import SERVER_USER
from api.errors import SetupError
from tests.stack import processes_of, temporary_directory, throw_away_server


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can enter."""
    with temporary_directory() as directory:
        directory.chmod(0o711)
        yield directory


def expected_user() -> str:
    return SERVER_USER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def settings_of(server: EmbeddedServer) -> tuple[str, ...]:
    with psycopg.connect(server.url("postgres")) as conn:
        query = "select current_setting('data_directory'), current_setting('hba_file')"
        (row,) = conn.execute(query).fetchall()
    return row


def user_of(path: Path) -> str:
    return pwd.getpwuid(path.stat().st_uid).pw_name


def test_the_server_runs_as_its_own_user_and_reports_the_path_of_its_data(open_directory: Path) -> None:
    with throw_away_server(open_directory / "data") as server:
        assert user_of(Path("/proc", str(server.pid))) == expected_user()
        assert settings_of(server) == (str(server.cluster), str(server.cluster / "pg_hba.conf"))
        assert {user_of(server.data_dir), user_of(server.cluster)} == {expected_user()}
        assert server.data_dir.stat().st_mode & 0o777 == 0o700
        assert server.cluster.stat().st_mode & 0o777 == 0o700


def test_the_server_runs_in_a_directory_that_its_user_cannot_enter() -> None:
    with temporary_directory() as directory, throw_away_server(directory / "data") as server:
        path, _ = settings_of(server)
        assert path == ("/proc/self/cwd" if os.geteuid() == 0 else str(server.cluster))


def test_data_of_the_former_user_is_taken_over(open_directory: Path) -> None:
    """In earlier versions root's server ran as `nobody`, and DATA_DIR belonged to root."""
    with throw_away_server(open_directory / "data") as server, psycopg.connect(server.url("postgres")) as conn:
        conn.execute("create table kept (id integer)")
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(server.data_dir, 0, 0)
        for path in (server.cluster, *server.cluster.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    with server, psycopg.connect(server.url("postgres")) as conn:
        assert conn.execute("select count(*) from kept").fetchone() == (0,)
        owners = {user_of(path) for path in (server.data_dir, server.cluster, *_files(server.cluster))}
    assert owners == {expected_user()}


def _files(directory: Path) -> Iterator[Path]:
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # A temporary file of the running server.
            path.stat()
            yield path


def test_a_directory_with_other_content_keeps_its_owner_and_permissions(open_directory: Path) -> None:
    open_directory.chmod(0o755)
    (open_directory / "notes").write_text("")
    for _ in range(2):  # The first start leaves files of the server in the directory.
        with throw_away_server(open_directory):
            pass
        assert open_directory.stat().st_mode & 0o777 == 0o755
        assert open_directory.stat().st_uid == os.geteuid()


def test_a_disk_without_space_for_new_data_is_named(open_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "NEW_CLUSTER_BYTES", 10**18)
    with pytest.raises(
        SetupError, match=r"needs 1000000000000 MB of space .* has \d+ MB: make space, or choose another"
    ):
        throw_away_server(open_directory / "data").start()
    assert not processes_of(open_directory)


@pytest.mark.parametrize("name", ["postgres.log", "starting.lock", "postgres/pg_hba.conf"])
def test_a_link_to_a_file_outside_of_the_directory_is_refused(open_directory: Path, name: str) -> None:
    """The directory belongs to the server's user, who must not reach root's files through a link."""
    with throw_away_server(open_directory / "data") as server:
        pass
    target = open_directory / "target"
    target.write_text("unchanged")
    (server.data_dir / name).unlink()
    (server.data_dir / name).symlink_to(target)
    with pytest.raises(SetupError, match="cannot be used"):
        server.start()
    assert target.read_text() == "unchanged"


def test_the_server_gets_no_secrets(open_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKET_SECRET", "a-secret")
    with throw_away_server(open_directory / "data") as server:
        assert server.pid
        assert b"a-secret" not in Path("/proc", str(server.pid), "environ").read_bytes()
