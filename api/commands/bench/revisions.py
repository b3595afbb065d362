"""Checkouts of other revisions of the project, with their dependencies."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from api.commands.processes import PRESENT, ROOT, Build, end_with_parent
from api.errors import SetupError

ENVIRONMENTS = ROOT / ".bench" / "environments"
"""Virtual environments of other revisions, by the digest of their lock; `make clean` deletes them."""

_LOCK = "requirements.lock"
_GIT_TIMEOUT_S = 60
_INSTALL_TIMEOUT_S = 900
_OUTPUT_LINES_SHOWN = 20


def find_commit(revision: str) -> str:
    """Return the full hash of a revision's commit.

    Raises:
        SetupError: this is no repository, or it has no such revision.
    """
    if not (ROOT / ".git").exists():
        raise SetupError(f"--against needs the project's git repository, which {ROOT} is not.")
    try:
        found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except SetupError:
        raise SetupError(
            f"--against {revision!r} is no revision of this repository. A shallow clone lacks most of them: "
            "git fetch --unshallow."
        ) from None
    return found.strip()


def describe_present() -> str:
    """Return the short hash of the present tree's commit, and the number of its changed files."""
    commit = _git("rev-parse", "--short", "HEAD").strip()
    changed = len(_git("status", "--porcelain").splitlines())
    return f"{commit} with {changed} changed files" if changed else commit


def check_out(commit: str, directory: Path) -> Build:
    """Write the files of a commit into a directory; return them with an environment that has their dependencies.

    Raises:
        SetupError: the dependencies cannot be installed.
    """
    tree = directory / "tree"
    # An index of its own leaves no trace in the repository, unlike a worktree.
    environment = os.environ | {"GIT_INDEX_FILE": str(directory / "index")}
    _git("read-tree", commit, environment=environment)
    _git("checkout-index", "--all", f"--prefix={tree}/", environment=environment)
    return Build(tree, _environment_of(tree / _LOCK))


def _environment_of(lock: Path) -> Path:
    """Return a Python that has the dependencies of a lock; install them if the present ones differ."""
    if lock.read_bytes() == (ROOT / _LOCK).read_bytes():
        return PRESENT.python
    digest = hashlib.sha256(lock.read_bytes() + platform.python_version().encode()).hexdigest()[:12]
    environment = ENVIRONMENTS / digest
    installed, python = environment / ".installed", environment / "bin" / "python"
    if not installed.exists():
        sys.stdout.write("Installing the dependencies of the other revision (once, about a minute) ...\n")
        sys.stdout.flush()
        shutil.rmtree(environment, ignore_errors=True)
        run_command([sys.executable, "-m", "venv", environment], ROOT, timeout_s=_INSTALL_TIMEOUT_S)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        run_command([python, "-m", "pip", "install", *options, "-r", lock], ROOT, timeout_s=_INSTALL_TIMEOUT_S)
        installed.touch()
    return python


def _git(*arguments: str, environment: dict[str, str] | None = None) -> str:
    return run_command(["git", *arguments], ROOT, timeout_s=_GIT_TIMEOUT_S, environment=environment)


def run_command(
    command: list[str | Path], directory: Path, *, timeout_s: float, environment: dict[str, str] | None = None
) -> str:
    """Run a command to its end, or to the end of this process; return its output.

    Raises:
        SetupError: the command failed or took longer than `timeout_s`; the message contains the end of its output.
    """
    name = " ".join(map(str, command))
    try:
        done = subprocess.run(  # noqa: S603 - git, pip and our own modules
            command,
            cwd=directory,
            env=environment,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            preexec_fn=end_with_parent(),
            check=False,
        )
    except FileNotFoundError:
        raise SetupError(f"{command[0]} is missing.") from None
    except subprocess.TimeoutExpired:
        raise SetupError(f"{name} took longer than {timeout_s:.0f} s.") from None
    if done.returncode:
        tail = done.stdout.splitlines()[-_OUTPUT_LINES_SHOWN:]
        raise SetupError("\n".join([f"{name} failed with exit code {done.returncode}:", *tail]))
    return done.stdout
