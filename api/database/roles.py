"""The roles of the embedded server, and the authentication of its clients.

`OWNER` owns the database and applies the migrations. `APPLICATION` is the role of the API and the worker.
`sql/privileges.sql` lists its privileges. The server compares the operating-system user of each client with the file
`pg_ident.conf`, so that no other user of the machine can connect.
"""

import os
import pwd
from pathlib import Path

import psycopg
from psycopg import sql

from api.data_dir import open_private
from api.database.programs import Owner
from api.errors import SetupError

OWNER = "tickets"
APPLICATION = "tickets_app"

_MAP = "tickets"
_HEADER = "# Written at each start of the server: changes are lost.\n"


def ensure_application_role(url: str) -> None:
    """Create the application's role unless it exists. It has no privileges until `migrate` grants them.

    Args:
        url: connects as a role that may create roles.
    """
    with psycopg.connect(url, autocommit=True) as conn:
        if not conn.execute("select 1 from pg_roles where rolname = %s", [APPLICATION]).fetchone():
            try:
                conn.execute(sql.SQL("create role {} login").format(sql.Identifier(APPLICATION)))
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                return  # Another process created the role at the same time.


def write_authentication(cluster: Path, server_user: Owner | None) -> None:
    """Admit the current user, root and the server's user to both roles, over the socket only.

    Raises:
        SetupError: the current user has no name on this machine.
    """
    user = _name_of(os.geteuid())
    if user is None:
        raise SetupError(
            f"PostgreSQL needs a user with a name, but the user id {os.geteuid()} has none on this machine: "
            "add it to /etc/passwd, run as another user, or set DATABASE_URL."
        )
    users = {user, _name_of(0), _name_of(server_user.uid) if server_user else None} - {None}
    identities = [f'{_MAP} "{name}" {role}' for name in users for role in (OWNER, APPLICATION)]
    methods = [
        f"local all {OWNER},{APPLICATION} peer map={_MAP}",
        f"local replication {OWNER} peer map={_MAP}",
    ]
    for name, lines in (("pg_ident.conf", identities), ("pg_hba.conf", methods)):
        with os.fdopen(open_private(cluster / name, os.O_WRONLY | os.O_TRUNC), "w") as file:
            if server_user:
                os.fchown(file.fileno(), *server_user)
            file.write(_HEADER + "".join(f"{line}\n" for line in lines))


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
