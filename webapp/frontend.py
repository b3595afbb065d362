"""What the build adds to Reflex's front end: hand-written JavaScript, the typeface, same-origin events."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reflex as rx

_FONT = "@fontsource-variable/bricolage-grotesque"
_NPM_PACKAGES = [f"{_FONT}@5.3.0", "swr@2.5.1"]
_BOX_OFFICE = Path(__file__).parent / "components" / "box_office.js"

_ENDPOINT = "const endpoint = new URL(url_str);"
_SAME_ORIGIN = f"""{_ENDPOINT}
  if (typeof window !== "undefined") {{
    return new URL(endpoint.pathname, window.location.origin);
  }}"""


class FrontendFiles(rx.plugins.Plugin):
    """Makes one build fit every host, port and scheme, and bundles the parts that are not Python."""

    def get_frontend_dependencies(self, **_context: Any) -> list[str]:
        """Name the npm packages that are bundled: the typeface, and what polls."""
        return _NPM_PACKAGES

    def get_stylesheet_paths(self, **_context: Any) -> Sequence[str]:
        """Put the typeface's rules before the app's own style."""
        return [f"{_FONT}/index.css"]

    def get_static_assets(self, **_context: Any) -> Sequence[tuple[Path, str | bytes]]:
        """Place the box office module where generated pages import it from."""
        return [(Path("utils") / _BOX_OFFICE.name, _BOX_OFFICE.read_text(encoding="utf-8"))]

    def pre_compile(self, **context: Any) -> None:
        """Send events to the page's own origin instead of the address known at build time.

        Reflex writes `http://localhost:8000` into the bundle and replaces only its host name in the
        browser, so that another port or a proxy would need another build.
        """
        context["add_modify_task"]("utils/state.js", _use_page_origin)


def _use_page_origin(state_js: str) -> str:
    if state_js.count(_ENDPOINT) != 1:
        raise RuntimeError("Reflex's state.js has changed: adapt the same-origin rule in webapp/frontend.py")
    return state_js.replace(_ENDPOINT, _SAME_ORIGIN)
