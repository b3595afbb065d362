"""PgBouncer between the system and PostgreSQL, as operators run it."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Literal

from psycopg.conninfo import conninfo_to_dict

from tests.faults.target import accepts_connections
from tests.packages import debian_installers, find_or_install
from tests.stack import STOP_TIMEOUT_S, eventually, free_port, temporary_directory

Mode = Literal["session", "transaction"]

_CONFIGURATION = """
[databases]
* = host={host} port={server_port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 20
max_client_conn = 100
{prepared}
{system_user}
"""
_WITHOUT_PREPARED = "max_prepared_statements = 0"
"""PgBouncer carries no prepared statements over. That is the default before 1.24, and before 1.21 the only mode."""


def _program() -> str:
    """Return the path of PgBouncer; install it if there is none."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return find_or_install(
        lambda: shutil.which("pgbouncer", path=path),
        debian_installers("pgbouncer"),
        "No PgBouncer: install it (Debian: apt-get install pgbouncer) and run the tests again.",
    )


def _version(program: str) -> tuple[int, ...]:
    printed = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+)\.(\d+)", printed)
    assert found, printed
    return tuple(map(int, found.groups()))


@contextlib.contextmanager
def pgbouncer(server_url: str, mode: Mode) -> Iterator[str]:
    """Run PgBouncer before a database that listens on TCP; yield the URL of the same database behind it."""
    program = _program()
    server = conninfo_to_dict(server_url)
    port = free_port()
    with temporary_directory() as directory:
        directory.chmod(0o755)  # PgBouncer runs as another user than root.
        configuration, log = directory / "pgbouncer.ini", directory / "pgbouncer.log"
        configuration.write_text(
            _CONFIGURATION.format(
                host=server["host"],
                server_port=server["port"],
                user=server["user"],
                password=server["password"],
                port=port,
                mode=mode,
                prepared=_WITHOUT_PREPARED if _version(program) >= (1, 21) else "",
                system_user="user = nobody" if os.geteuid() == 0 else "",
            )
        )
        with log.open("wb") as output:
            process = subprocess.Popen([program, str(configuration)], stdout=output, stderr=output)
        url = f"postgresql://tickets@127.0.0.1:{port}/{server['dbname']}?sslmode=disable&gssencmode=disable"
        try:
            ready = eventually(lambda: accepts_connections(url) or process.poll() is not None)
            assert ready, log.read_text()
            assert process.poll() is None, log.read_text()
            yield url
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)
