"""The server of the staff pages with some of its bindings: `python -m tests.webapp.unbound_staff [key] [session]`.

`key` keeps the key of a State that depends on the cookie. `session` keeps the comparison of the sessions.
"""

import sys

from webapp.settings import StaffLimits
from webapp.staff import server
from webapp.staff.api import Api


def main(kept: list[str]) -> None:
    """Serve with the named bindings only."""
    if "key" not in kept:
        server.bound_query = lambda scope: scope["query_string"]
    if "session" not in kept:
        load = server.load_application

        def load_unbound(api: Api, limits: StaffLimits) -> server.Application:
            application = load(api, limits)
            sys.modules["webapp.staff.session"].StaffState._bind = lambda _: None
            return application

        server.load_application = load_unbound
    server.serve_staff()


if __name__ == "__main__":
    main(sys.argv[1:])
