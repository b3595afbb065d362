"""How a page's State tells a visitor who comes from one whose connection was only away for a while."""

import reflex as rx


class Arrival(rx.State, mixin=True):
    """A State that its page's `on_load` calls: with each way to the page, and with each connection."""

    page_load: str = rx.SessionStorage("", name="page-load")
    """Which loading of a page it is, as settings.js writes it: a connection that comes back is none."""
    _visit: tuple[str, str] = ("", "")
    """The loading and the path of the page that was arrived at."""
    _connection: str = ""

    def _path(self) -> str:
        return str(self.router.url.path).rstrip("/")

    def _has_only_reconnected(self) -> bool:
        """Take note of an arrival; return whether the page is where it was, and only its connection is new."""
        visit, connection = (self.page_load, self._path()), self.router.session.session_id
        reconnected = self._visit == visit and self._connection != connection
        self._visit, self._connection = visit, connection
        return reconnected
