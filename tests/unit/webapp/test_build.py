"""The build runs scripts of npm packages, so it gets no secrets; it installs exactly the locked packages."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from webapp import build, reflex_patch
from webapp.apps import APPS, BUYERS


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
    environment = build._environment(BUYERS)
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

    app = replace(BUYERS, web_dir=tmp_path)
    monkeypatch.setattr(reflex_patch, "BUYERS", app)
    monkeypatch.setattr(reflex_patch, "chosen_app", lambda: app)
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


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("webapp/staff/pages/people.py", {"staff"}),
        ("webapp/pages/home.py", {"buyers"}),
        ("webapp/components/browser.py", {"buyers", "staff"}),
        ("webapp/js/account/session.js", {"buyers", "staff"}),
        ("webapp/reflex_patch.py", {"buyers", "staff"}),
        ("reflex.lock/package.json", {"buyers", "staff"}),
        ("requirements.lock", {"buyers", "staff"}),
        ("webapp/README.md", set()),
    ],
)
def test_a_change_builds_only_the_apps_that_depend_on_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, changed: set[str]
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    before = {app.name: build._digest(app) for app in APPS}
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("changed")
    assert {app.name for app in APPS if build._digest(app) != before[app.name]} == changed
