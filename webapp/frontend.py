"""The parts of the builds that are not Reflex's: hand-written JavaScript, the texts and the typeface."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reflex as rx

from webapp import reflex_patch
from webapp.apps import App

_FONT = "@fontsource-variable/bricolage-grotesque"
_NPM_PACKAGES = [f"{_FONT}@5.3.0", "intl-messageformat@12.1.5", "swr@2.5.1"]
_HERE = Path(__file__).parent
_MODULES = {
    "buyers": ((_HERE / "js", "**/*.js"), (_HERE, "strings/*.json")),
    "staff": ((_HERE / "js", "**/*.js"),),
}
"""The modules and texts of each app. The bundler leaves out the modules that no page imports."""


class FrontendFiles(rx.plugins.Plugin):
    """Adds our own files to the bundle of an app."""

    def __init__(self, app: App) -> None:
        self._app = app

    def get_frontend_dependencies(self, **_context: Any) -> list[str]:
        """Name the npm packages of the bundle."""
        return _NPM_PACKAGES

    def get_stylesheet_paths(self, **_context: Any) -> Sequence[str]:
        """Put the typeface's rules before the app's own style."""
        return [f"{_FONT}/index.css"]

    def get_static_assets(self, **_context: Any) -> Sequence[tuple[Path, str | bytes]]:
        """Place the JavaScript modules and the texts where generated pages import them from."""
        return [
            (Path("utils") / path.relative_to(folder), path.read_text("utf-8"))
            for folder, pattern in _MODULES[self._app.name]
            for path in sorted(folder.glob(pattern))
        ]

    def pre_compile(self, **context: Any) -> None:
        """Change the files that Reflex generates."""
        reflex_patch.apply(context, self._app)
