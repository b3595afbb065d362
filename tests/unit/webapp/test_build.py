"""The build runs scripts of npm packages, so it gets no secrets; it installs exactly the locked packages."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from webapp import build, reflex_patch


def test_the_build_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = (
        "DATABASE_URL",
        "DATABASE_DIRECT_URL",
        "PAYMENT_WEBHOOK_SECRET",
        "TICKET_SECRET",
        "ACCESS_SECRET",
        "SESSION_SECRETS",
        "PGPASSWORD",
    )
    for name in (*secrets, "npm_config_registry", "NODE_EXTRA_CA_CERTS", "HTTPS_PROXY", "LC_ALL"):
        monkeypatch.setenv(name, "given")
    environment = build._environment()
    assert not environment.keys() & set(secrets)
    assert {environment[name] for name in ("npm_config_registry", "NODE_EXTRA_CA_CERTS", "HTTPS_PROXY", "LC_ALL")} == {
        "given"
    }


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Sequence[str]]:
    """The commands of npm, which do not run; the manifest contains one package of each kind."""
    manifest = {"dependencies": {"swr": "2.5.1"}, "devDependencies": {"@react-router/dev": "8.4.0"}}
    (tmp_path / "package.json").write_text(json.dumps(manifest))
    found: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        found.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(reflex_patch, "WEB_DIR", tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    return found


def test_npm_installs_the_lock_as_it_is(commands: list[Sequence[str]]) -> None:
    reflex_patch._install_locked_packages(
        {"swr@2.5.1"}, {"@react-router/dev@8.4.0", "postcss"}, frozen_lockfile=False, install_package_managers=["npm"]
    )
    assert commands == [["npm", "ci", "--legacy-peer-deps"]]


@pytest.mark.parametrize("package", ["swr@2.5.2", "left-pad@1.3.0", "@scope/name@1.0.0"])
def test_a_package_outside_of_the_lock_is_named(commands: list[Sequence[str]], package: str) -> None:
    with pytest.raises(SystemExit, match=rf"reflex\.lock lacks {package}: run `WEBAPP_LOCK=update"):
        reflex_patch._install_locked_packages({package}, set(), frozen_lockfile=False, install_package_managers=["npm"])
    assert commands == []
