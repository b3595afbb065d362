"""The production build of the web app, from the committed locks."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from webapp.apps import APPS, ROOT, App

_LOCK_DIR = ROOT / "reflex.lock"
_MARK = ".inputs"
"""The file in an app's directory with the digest of the inputs of its build."""
_SHARED_INPUTS = ("*.py", "webapp/*.py", "webapp/js/**/*.js", "assets/*", "reflex.lock/*", ".npmrc", "*.lock")
_OWN_INPUTS = {
    "buyers": ("webapp/pages/*.py", "webapp/components/*.py", "webapp/strings/*"),
    "staff": ("webapp/staff/**/*.py", "webapp/components/browser.py"),
}
"""The files of each app, besides `_SHARED_INPUTS`."""
_TIMEOUT_S = 900
_LINES_SHOWN = 25
# npm messages that are not errors. Reflex runs npm with the most verbose log level.
_CHATTER = ("npm verbose", "npm silly", "npm http", "npm info", "npm timing")
_NETWORK_SIGNS = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ENETUNREACH",
    "network request",
)

# Runs in its own process: Reflex prints messages, changes the environment and exits on failure.
_EXPORT = "from webapp import reflex_patch; reflex_patch.export_site()"

_INHERITED = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "WEBAPP_LOCK"),
    }
)
"""The environment variables that the build inherits."""
_INHERITED_PREFIXES = ("lc_", "npm_config_", "node_", "python", "reflex_")


class BuildError(Exception):
    """The web app could not be built; the message names the reason."""


def build() -> None:
    """Build the pages of each app whose inputs have changed since its last build.

    Raises:
        BuildError: npm or the bundler failed.
    """
    for app in APPS:
        inputs = _digest(app)
        mark = app.web_dir / _MARK
        if not is_built(app) or not mark.is_file() or mark.read_text("utf-8") != inputs:
            _build(app)
            mark.write_text(inputs, "utf-8")


def _digest(app: App) -> str:
    """Return a digest of the inputs of an app's build."""
    patterns = (*_SHARED_INPUTS, *_OWN_INPUTS[app.name])
    files = sorted({file for pattern in patterns for file in ROOT.glob(pattern) if file.is_file()})
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def is_built(app: App) -> bool:
    """Return True if an app has built pages."""
    return (app.build_dir / app.path.lstrip("/") / "index.html").is_file()


def _build(app: App) -> None:
    _clear(app)
    with _unchanged_locks(), tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, with the script above
                [sys.executable, "-c", _EXPORT],
                cwd=ROOT,
                env=_environment(app),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BuildError(f"The web app was not built within {_TIMEOUT_S} s.") from None
        log.seek(0)
        output = log.read()
    if done.returncode != 0 or not is_built(app):
        if any(sign in output for sign in _NETWORK_SIGNS):
            raise BuildError(
                "The web app's npm packages could not be fetched: check the network connection "
                f"(or npm's registry setting) and try again.\n\n{_end_of(output)}"
            )
        raise BuildError(f"The web app could not be built.\n\n{_end_of(output)}")


def _environment(app: App) -> dict[str, str]:
    """Return the environment of the build. It omits secrets, because the build runs scripts of npm packages."""
    scripts = Path(sys.executable).parent
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.lower().startswith(_INHERITED_PREFIXES)
    }
    return inherited | {
        # Node and npm come from the virtual environment; bun would be fetched from outside the registries.
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
        "REFLEX_USE_NPM": "1",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        **app.environment,
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
    }


def _clear(app: App) -> None:
    """Remove the files of an earlier build, which can break this one. Fetched packages stay, and the other app."""
    kept = {"node_modules", *(other.web_dir.name for other in APPS)}
    if app.web_dir.is_dir():
        for path in app.web_dir.iterdir():
            if path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextlib.contextmanager
def _unchanged_locks() -> Iterator[None]:
    """Put the committed locks back after the build: Reflex writes its own copy over them.

    `WEBAPP_LOCK=update` keeps the new ones instead.
    """
    kept = {path: path.read_bytes() for path in _LOCK_DIR.glob("*.json")}
    try:
        yield
    finally:
        if os.environ.get("WEBAPP_LOCK") != "update":
            for path, content in kept.items():
                if path.read_bytes() != content:
                    path.write_bytes(content)


def _end_of(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith(_CHATTER)]
    return "\n".join(lines[-_LINES_SHOWN:])
