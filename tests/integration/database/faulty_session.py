"""A session that raises planned faults.

The server raises the faults itself: the session replaces the chosen statement by one that raises the error or ends
the server's session.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from api.database import session

Kind = Literal[
    "40001 serialization failure",
    "40P01 deadlock",
    "57014 statement timeout",
    "XX000 unexpected error",
    "57P01 server shutdown",
    "result lost",
]

END_SESSION = "select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)"


class Fault(msgspec.Struct):
    """A fault at a given use of a statement, or with `lasting` at that use and all later ones."""

    statement: str
    use: int
    kind: Kind
    lasting: bool = False
    uses: int = 0
    struck: bool = False


class Faults:
    """The planned faults, in order, and the statements sent so far."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self._planned: list[Fault] = []

    def plan(self, *faults: Fault) -> None:
        """Replace the planned faults and forget the statements sent."""
        self.sent = []
        self._planned = list(faults)

    def strike(self, statement: str) -> Fault | None:
        """Record a statement; return the fault for it, if any."""
        self.sent.append(statement)
        if not self._planned or self._planned[0].statement != statement:
            return None
        fault = self._planned[0]
        fault.uses += 1
        if fault.uses < fault.use:
            return None
        fault.struck = True
        if not fault.lasting:
            del self._planned[0]
        return fault


class FaultySession(session.Session):
    """A session that replaces a statement with a planned fault."""

    faults = Faults()

    def _send(self, statement: session.Statement[Any], values: Sequence[bytes | None]) -> None:
        self._meet(statement.query.name, lambda: super(FaultySession, self)._send(statement, values))

    def _send_command(self, command: bytes) -> None:
        self._meet(command.decode().split()[0], lambda: super(FaultySession, self)._send_command(command))

    def _meet(self, name: str, send: Callable[[], None]) -> None:
        fault = self.faults.strike(name)
        if fault is None or fault.kind == "result lost":
            send()
        if fault is None:
            return
        instead = END_SESSION
        if fault.kind not in {"result lost", "57P01 server shutdown"}:
            sqlstate = fault.kind.split()[0]
            instead = f"do $$ begin raise exception 'injected' using errcode = '{sqlstate}'; end $$"
        super()._send_command(instead.encode())
