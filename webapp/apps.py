"""The two Reflex apps of this package: the buyers' pages, which have no server, and the staff pages with State."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_VARIABLE = "WEBAPP_APP"


@dataclass(frozen=True)
class App:
    """A Reflex app of this package."""

    name: str
    module: str
    """The module that defines the app."""
    path: str
    """The path of all its pages, as a prefix without a slash at the end."""
    web_dir: Path
    """The directory in which Reflex builds it."""
    rendered_paths: tuple[str, ...] = ()
    """Pages with a name in their address, rendered at build time under the name `_`."""

    @property
    def build_dir(self) -> Path:
        """Return the directory with the app's built files."""
        return self.web_dir / "build" / "client"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make `rxconfig.py` and Reflex choose this app."""
        return {_VARIABLE: self.name, "REFLEX_WEB_WORKDIR": str(self.web_dir)}


BUYERS = App("buyers", "webapp.webapp", "", ROOT / ".web", ("/event/_", "/booking/_"))
# Below the other directory Node finds the npm packages there, so one installation serves both apps.
STAFF = App("staff", "webapp.staff.app", "/staff", BUYERS.web_dir / "staff")
APPS = (BUYERS, STAFF)


def chosen_app() -> App:
    """Return the app that the environment names; without a name the buyers'."""
    name = os.environ.get(_VARIABLE, BUYERS.name)
    return next(app for app in APPS if app.name == name)
