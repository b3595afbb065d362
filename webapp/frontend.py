"""What the build adds to Reflex's front end: hand-written JavaScript, the typeface, a way for events."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reflex as rx

from webapp.build import DRAWN_PATHS

_FONT = "@fontsource-variable/bricolage-grotesque"
_NPM_PACKAGES = [f"{_FONT}@5.3.0", "intl-messageformat@12.1.5", "swr@2.5.1"]
_HERE = Path(__file__).parent
_BROWSER_MODULES = ((_HERE / "js", "*.js"), (_HERE / "strings", "*.json"))

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
_WARM_UP = "queueMicrotask(() => {"
# In a turn of its own the browser may paint between what the scripts are, and the socket that they open.
_WARM_UP_LATER = "setTimeout(() => {"
# A direct eval sees the names around it, so the bundler may shorten none of its whole file. What it would run from
# the server is none of these pages' business, and their policy forbids it (webapp/serve.py).
_DIRECT_EVAL = "eval("
_INDIRECT_EVAL = "globalThis.eval("
# What stands in Reflex's state.js, how often, and what stands there instead.
_CHANGES = (
    (_ENDPOINT, 1, _SAME_ORIGIN),
    (_TRANSPORT, 2, _TRANSPORTS),
    (_SOCKET, 1, _FALLING_BACK),
    (_WARM_UP, 1, _WARM_UP_LATER),
    (_DIRECT_EVAL, 5, _INDIRECT_EVAL),
)

_WINDOW_EFFECT = r"useEffect\(\(\) => \{[^;]*?window\.__reflex = .*?\}, \[\]\);"
_WINDOW_IMPORTS = r"^import \* as \w+ from \"[^\"]+\";\n"


class FrontendFiles(rx.plugins.Plugin):
    """Makes one build fit every host, port and scheme, and bundles the parts that are not Python."""

    def get_frontend_dependencies(self, **_context: Any) -> list[str]:
        """Name the npm packages that are bundled: the typeface, and what polls."""
        return _NPM_PACKAGES

    def get_stylesheet_paths(self, **_context: Any) -> Sequence[str]:
        """Put the typeface's rules before the app's own style."""
        return [f"{_FONT}/index.css"]

    def get_static_assets(self, **_context: Any) -> Sequence[tuple[Path, str | bytes]]:
        """Place the browser's modules and the words where generated pages import them from."""
        return [
            (Path("utils") / (folder.name if folder.name == "strings" else "") / path.name, path.read_text("utf-8"))
            for folder, pattern in _BROWSER_MODULES
            for path in sorted(folder.glob(pattern))
        ]

    def pre_compile(self, **context: Any) -> None:
        """Change what Reflex generates: where events go, what is bundled and what is drawn beforehand."""
        context["add_modify_task"]("utils/state.js", adapt_state_js)
        context["add_modify_task"]("app/root.jsx", _bundle_only_what_is_used)
        context["add_modify_task"]("react-router.config.js", _draw_pages_beforehand)


def adapt_state_js(state_js: str) -> str:
    """Send events to the page's own origin, and by polling where a websocket does not come through.

    Reflex writes `http://localhost:8000` into the bundle and replaces only its host name in the browser, so that
    another port or a proxy would need another build; and it names one transport.

    Raises:
        RuntimeError: it is not the state.js that the changes were written for.
    """
    for old, times, new in _CHANGES:
        if state_js.count(old) != times:
            raise RuntimeError(f"Reflex's state.js has changed: adapt webapp/frontend.py to what became of {old!r}")
        state_js = state_js.replace(old, new)
    return state_js


def _bundle_only_what_is_used(root_jsx: str) -> str:
    """Leave out the whole of every library, which Reflex keeps at hand for components made while the app runs.

    There are none here, and without it only the parts that are used get into the bundle.
    """
    return _replace(_replace(root_jsx, _WINDOW_EFFECT, ""), _WINDOW_IMPORTS, "")


def _draw_pages_beforehand(config_js: str) -> str:
    """Draw the pages that have a name in their address beforehand, too, under the name `_`.

    They then show their frame before any script has run; webapp/serve.py gives the same file for every name.
    """
    paths = ", ".join(f'"{path}"' for path in DRAWN_PATHS)
    prerender = f'"prerender": ({{ getStaticPaths }}) => [...getStaticPaths(), {paths}]'
    return _replace(config_js, '"prerender": true', prerender)


def _replace(text: str, pattern: str, by: str) -> str:
    text, count = re.subn(pattern, lambda _: by, text, flags=re.DOTALL | re.MULTILINE)
    if count == 0:
        raise RuntimeError(f"Reflex's front end has changed: adapt webapp/frontend.py, which looks for {pattern!r}")
    return text
