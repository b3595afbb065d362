"""The production build of the web app, from the committed locks."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
WEB_DIR = ROOT / ".web"
BUILD_DIR = WEB_DIR / "build" / "client"
RENDERED_PATHS = ("/event/_", "/booking/_")
"""Pages with a name in their address, rendered at build time under the name `_`."""
_LOCK_DIR = ROOT / "reflex.lock"
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
    """Build the pages into `.web`.

    Raises:
        BuildError: npm or the bundler failed.
    """
    _clear()
    with _unchanged_locks(), tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, with the script above
                [sys.executable, "-c", _EXPORT],
                cwd=ROOT,
                env=_environment(),
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
    if done.returncode != 0 or not (BUILD_DIR / "index.html").is_file():
        if any(sign in output for sign in _NETWORK_SIGNS):
            raise BuildError(
                "The web app's npm packages could not be fetched: check the network connection "
                f"(or npm's registry setting) and try again.\n\n{_end_of(output)}"
            )
        raise BuildError(f"The web app could not be built.\n\n{_end_of(output)}")


def _environment() -> dict[str, str]:
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
        "REFLEX_WEB_WORKDIR": str(WEB_DIR),
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
    }


def _clear() -> None:
    """Remove the files of an earlier build, which can break this one. Fetched packages stay."""
    if WEB_DIR.is_dir():
        for path in WEB_DIR.iterdir():
            if path.name == "node_modules":
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
