"""Undocumented interfaces of Reflex: its generated files, the wraps of an app, the installation and the export.

On an upgrade of Reflex compare with `App.app_wraps` in `reflex/app.py`, and in `reflex/utils` with `export.py`,
`prerequisites.py` and `install_frontend_packages` in `js_runtimes.py`. Then build the web app. A change that does not
find its text in a generated file names that text. Check that no script of the build contains "socket.io", run the
browser tests, and change `VERSION`.
"""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import reflex as rx
from reflex.utils import export, js_runtimes, prerequisites

from webapp.apps import BUYERS, App, chosen_app

VERSION = "0.10.1"
"""The release that this module fits."""
if (_installed := importlib.metadata.version("reflex")) != VERSION:
    raise ImportError(f"reflex {_installed} is not {VERSION}: check {__name__} first")

# Text in Reflex's state.js, the number of its occurrences, and its replacement. Without a State nothing uses the event
# loop. The rest of the module are helpers of expressions.
_STATE_JS = (
    ('import io from "socket.io-client";', 1, "const io = undefined;"),
    ('if (typeof window !== "undefined") {\n  queueMicrotask(', 1, "if (false) {\n  queueMicrotask("),
    ("const cookies = new Cookies();", 1, "const cookies = /* @__PURE__ */ new Cookies();"),
    # The bundler shortens no name that a direct eval could see.
    ("eval(", 5, "globalThis.eval("),
)

# The same for the staff pages, whose State needs the event loop.
_STAFF_STATE_JS = (
    ('import env from "$/env.json";', 1, 'import env from "$/env.json";\nimport { settings } from "$/utils/settings";'),
    ("const EVENTURL = env.EVENT;", 1, "const EVENTURL = settings.staffUrl + new URL(env.EVENT).pathname;"),
    # Only the configured host gets the cookie of the session.
    ("SAME_DOMAIN_HOSTNAMES.includes(endpoint.hostname)", 1, "false"),
)

# The same for react-theme.js, which accesses localStorage without a guard.
_REACT_THEME_JS = (
    (
        "import { ColorModeContext, app }",
        1,
        'import { recall, remember } from "$/utils/remembered";\nimport { ColorModeContext, app }',
    ),
    ("localStorage.getItem(", 3, "recall("),
    ("localStorage.setItem(", 3, "remember("),
)

# The same for entry.client.js.
_ENTRY_CLIENT_JS = (
    (
        'import { createElement } from "react";',
        1,
        'import { createElement } from "react";\nimport { HydrationRoot, hydrationOptions } from "$/utils/hydration";',
    ),
    (
        "createElement(HydratedRouter)",
        1,
        "createElement(HydrationRoot, null, createElement(HydratedRouter)), hydrationOptions",
    ),
)

# The same for vite.config.js. A phone's connection loads few files at a time, so the pages share one chunk.
_VITE_CONFIG_JS = (
    (
        'test: /env.json/,\n              name: "reflex-env",',
        1,
        'test: /./,\n              name: "shared",\n              minShareCount: 2,',
    ),
)

_KINDS = ("dependencies", "devDependencies")
"""The kinds of packages in an npm manifest."""

_PROVIDER = re.compile(r"jsx\((?:StateProvider|EventLoopProvider),")
_PROVIDER_IMPORT = re.compile(r'^import \{EventLoopProvider,StateProvider\} from "[^"]+"\n', re.MULTILINE)
_WINDOW_EFFECT = re.compile(r"useEffect\(\(\) => \{[^;]*?window\.__reflex = .*?\}, \[\]\);", re.DOTALL)
_WINDOW_IMPORTS = re.compile(r"^import \* as \w+ from \"[^\"]+\";\n", re.MULTILINE)
_PRERENDER = re.compile(r'"prerender": true')


def export_site() -> None:
    """Export the site's files.

    `reflex export` would also rewrite .gitignore if .web is absent. With `WEBAPP_LOCK=update` Reflex resolves the npm
    packages anew. Otherwise npm installs exactly those of the lock.
    """
    if os.environ.get("WEBAPP_LOCK") != "update":
        js_runtimes._install_frontend_packages = _install_locked_packages  # noqa: SLF001
    prerequisites.initialize_reflex_user_directory()  # type: ignore[no-untyped-call]
    prerequisites.initialize_frontend_dependencies()  # type: ignore[no-untyped-call]
    export.export(zipping=False, backend=False)


def _install_locked_packages(
    packages: set[str],
    development_dependencies: set[str],
    frozen_lockfile: bool,  # noqa: ARG001, FBT001 - Reflex's signature
    install_package_managers: Sequence[str],
) -> None:
    """Install the packages of the lock, and refuse a lock without a package that the site needs."""
    app = chosen_app()
    manifest = json.loads((app.web_dir / "package.json").read_text("utf-8"))
    locked = {f"{name}@{version}" for kind in _KINDS for name, version in manifest[kind].items()}
    needed = {package for package in packages | development_dependencies if package.rfind("@") > 0}
    if missing := sorted(needed - locked):
        sys.exit(f"reflex.lock lacks {', '.join(missing)}: run `WEBAPP_LOCK=update python -m webapp build`.")
    if app != BUYERS:  # Node finds the packages of the buyers' app, which is built first.
        return
    # The plain installation that Reflex runs would change the lock if it did not fit the manifest.
    command = [install_package_managers[0], "ci", "--legacy-peer-deps"]
    if subprocess.run(command, cwd=app.web_dir, check=False).returncode:  # noqa: S603 - npm
        sys.exit(1)


def replace_wraps(app: rx.App, boundary: Callable[[], rx.Component]) -> None:
    """Remove the overlay of a lost connection, and replace the error page, which shows the source code.

    Raises:
        KeyError: the app has no such wrap.
    """
    del app.app_wraps[5, "Overlay"]
    del app.app_wraps[55, "ErrorBoundary"]
    app.app_wraps[55, "ErrorBoundary"] = lambda _stateful: boundary()


def apply(context: dict[str, Any], app: App) -> None:
    """Register the changes for an app; `context` is that of a plugin's `pre_compile`."""
    if app != BUYERS:
        context["add_modify_task"]("utils/state.js", _use_own_address)
        return
    context["add_modify_task"]("utils/state.js", _drop_event_loop)
    context["add_modify_task"]("utils/react-theme.js", _guard_storage)
    context["add_modify_task"]("app/entry.client.js", _set_hydration_options)
    context["add_modify_task"]("app/root.jsx", _drop_unused)
    context["add_modify_task"]("react-router.config.js", _prerender_named_pages)
    context["add_modify_task"]("vite.config.js", _join_shared_modules)


def _drop_event_loop(state_js: str) -> str:
    return _replace_texts(state_js, _STATE_JS)


def _use_own_address(state_js: str) -> str:
    """Let the pages connect to the address in their settings, which is that of one installation."""
    return _replace_texts(state_js, _STAFF_STATE_JS)


def _guard_storage(react_theme_js: str) -> str:
    """Let the colour scheme use the module that also works while the browser blocks storage."""
    return _replace_texts(react_theme_js, _REACT_THEME_JS)


def _set_hydration_options(entry_client_js: str) -> str:
    return _replace_texts(entry_client_js, _ENTRY_CLIENT_JS)


def _join_shared_modules(vite_config_js: str) -> str:
    return _replace_texts(vite_config_js, _VITE_CONFIG_JS)


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
    paths = ", ".join(f'"{path}"' for path in BUYERS.rendered_paths)
    return _replace(config_js, _PRERENDER, f'"prerender": ({{ getStaticPaths }}) => [...getStaticPaths(), {paths}]')


def _replace_texts(source: str, replacements: Iterable[tuple[str, int, str]]) -> str:
    for old, times, new in replacements:
        if source.count(old) != times:
            raise _Changed(old)
        source = source.replace(old, new)
    return source


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
