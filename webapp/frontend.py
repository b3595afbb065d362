"""The parts of the build that are not Reflex's: hand-written JavaScript, the texts and the typeface."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reflex as rx

from webapp import reflex_patch

_FONT = "@fontsource-variable/bricolage-grotesque"
_NPM_PACKAGES = [f"{_FONT}@5.3.0", "intl-messageformat@12.1.5", "swr@2.5.1"]
_HERE = Path(__file__).parent
_MODULES = ((_HERE / "js", "**/*.js"), (_HERE, "strings/*.json"))


class FrontendFiles(rx.plugins.Plugin):
    """Adds the app's own files to the bundle."""

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
            for folder, pattern in _MODULES
            for path in sorted(folder.glob(pattern))
        ]

    def pre_compile(self, **context: Any) -> None:
        """Change the files that Reflex generates."""
        reflex_patch.apply(context)
