"""What the build adds to Reflex's front end: hand-written JavaScript, the typeface, a way for events."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reflex as rx

_FONT = "@fontsource-variable/bricolage-grotesque"
_NPM_PACKAGES = [f"{_FONT}@5.3.0", "swr@2.5.1"]
_BOX_OFFICE = Path(__file__).parent / "components" / "box_office.js"

# Longer than a busy server takes to accept a websocket; past it the next attempt begins with polling.
_OPEN_WITHIN_MS = 8000

_ENDPOINT = "const endpoint = new URL(url_str);"
_SAME_ORIGIN = f"""{_ENDPOINT}
  if (typeof window !== "undefined") {{
    return new URL(endpoint.pathname, window.location.origin);
  }}"""
_TRANSPORT = "[env.TRANSPORT]"
_TRANSPORTS = '["websocket", "polling"]'
_SOCKET = """const createSocket = (endpoint, transports, token) =>
  io(endpoint.href, {"""
_FALLING_BACK = f"""const fallingBack = (href, options) => {{
  // A websocket that is refused is followed by polling at once.
  const socket = io(href, {{ ...options, tryAllTransports: true, timeout: {_OPEN_WITHIN_MS} }});
  // One that is neither opened nor refused takes its turn after polling at the next attempt.
  socket.io.on("error", (error) => {{
    if (error.message === "timeout") {{
      socket.io.opts.transports.reverse();
    }}
  }});
  return socket;
}};

{_SOCKET.replace("io(", "fallingBack(")}"""
# What stands in Reflex's state.js, how often, and what stands there instead.
_CHANGES = (
    (_ENDPOINT, 1, _SAME_ORIGIN),
    (_TRANSPORT, 2, _TRANSPORTS),
    (_SOCKET, 1, _FALLING_BACK),
)


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
        """Send events to the page's own origin, and by polling where a websocket does not come through.

        Reflex writes `http://localhost:8000` into the bundle and replaces only its host name in the
        browser, so that another port or a proxy would need another build; and it names one transport.
        """
        context["add_modify_task"]("utils/state.js", adapt_state_js)


def adapt_state_js(state_js: str) -> str:
    """Return Reflex's state.js as this app needs it.

    Raises:
        RuntimeError: it is not the state.js that the changes were written for.
    """
    for old, times, new in _CHANGES:
        if state_js.count(old) != times:
            raise RuntimeError(f"Reflex's state.js has changed: adapt webapp/frontend.py to what became of {old!r}")
        state_js = state_js.replace(old, new)
    return state_js
