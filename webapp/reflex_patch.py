"""Changes of the files that Reflex generates, which no setting of Reflex covers.

They were written for Reflex 0.10.1. On an upgrade, build the web app: each change names the text that it no longer
finds. Then check that no script of the build contains "socket.io", and run the browser tests.
"""

import re
from importlib.metadata import version
from typing import Any

from webapp.build import RENDERED_PATHS

_REFLEX_VERSION = "0.10.1"
if version("reflex") != _REFLEX_VERSION:
    raise RuntimeError(f"webapp/reflex_patch.py was written for Reflex {_REFLEX_VERSION}: read its docstring.")

# Text in Reflex's state.js, the number of its occurrences, and its replacement. Without a State nothing uses the event
# loop; what is left of the module are helpers of expressions.
_STATE_JS = (
    ('import io from "socket.io-client";', 1, "const io = undefined;"),
    ('if (typeof window !== "undefined") {\n  queueMicrotask(', 1, "if (false) {\n  queueMicrotask("),
    ("const cookies = new Cookies();", 1, "const cookies = /* @__PURE__ */ new Cookies();"),
    # The bundler shortens no name that a direct eval could see.
    ("eval(", 5, "globalThis.eval("),
)

_PROVIDER = re.compile(r"jsx\((?:StateProvider|EventLoopProvider),")
_PROVIDER_IMPORT = re.compile(r'^import \{EventLoopProvider,StateProvider\} from "[^"]+"\n', re.MULTILINE)
_WINDOW_EFFECT = re.compile(r"useEffect\(\(\) => \{[^;]*?window\.__reflex = .*?\}, \[\]\);", re.DOTALL)
_WINDOW_IMPORTS = re.compile(r"^import \* as \w+ from \"[^\"]+\";\n", re.MULTILINE)
_PRERENDER = re.compile(r'"prerender": true')


def apply(context: dict[str, Any]) -> None:
    """Register the changes; `context` is that of a plugin's `pre_compile`."""
    context["add_modify_task"]("utils/state.js", _drop_event_loop)
    context["add_modify_task"]("app/root.jsx", _drop_unused)
    context["add_modify_task"]("react-router.config.js", _prerender_named_pages)


def _drop_event_loop(state_js: str) -> str:
    for old, times, new in _STATE_JS:
        if state_js.count(old) != times:
            raise _Changed(old)
        state_js = state_js.replace(old, new)
    return state_js


def _drop_unused(root_jsx: str) -> str:
    """Drop the providers of State, and the whole of every library that Reflex keeps for components made at run time."""
    for pattern, by in (
        (_PROVIDER, "jsx(Fragment,"),
        (_PROVIDER_IMPORT, ""),
        (_WINDOW_EFFECT, ""),
        (_WINDOW_IMPORTS, ""),
    ):
        root_jsx = _replace(root_jsx, pattern, by)
    return root_jsx


def _prerender_named_pages(config_js: str) -> str:
    """Prerender the pages with a name in their address, under the name `_`; see `prerendered.file_of`."""
    paths = ", ".join(f'"{path}"' for path in RENDERED_PATHS)
    return _replace(config_js, _PRERENDER, f'"prerender": ({{ getStaticPaths }}) => [...getStaticPaths(), {paths}]')


def _replace(text: str, pattern: re.Pattern[str], by: str) -> str:
    text, count = pattern.subn(lambda _: by, text)
    if count == 0:
        raise _Changed(pattern.pattern)
    return text


class _Changed(RuntimeError):
    def __init__(self, text: str) -> None:
        super().__init__(
            f"Reflex's generated files have changed: adapt webapp/reflex_patch.py, which looks for {text!r}"
        )
