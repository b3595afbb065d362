"""The system user of root's server: a failure names the reason and the remedies, and the server gets no secrets."""

import pytest

from api.database import programs
from api.errors import SetupError


def test_a_machine_without_useradd_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "SERVER_USER", "tickets-nobody")
    monkeypatch.setattr(programs, "_SYSTEM_PATH", "/nowhere")
    with pytest.raises(
        SetupError, match=r"there is no program useradd.*create it with `useradd --system .*DATABASE_URL"
    ):
        programs._ensure_server_user()


def test_the_reason_of_a_failed_useradd_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "SERVER_USER", "tickets-nobody")
    monkeypatch.setattr(programs, "_USERADD", ("sh", "-c", "echo cannot lock the file >&2; exit 1"))
    with pytest.raises(SetupError, match=r"could not be created \(cannot lock the file\)"):
        programs._ensure_server_user()


def test_the_server_gets_only_the_listed_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PAYMENT_WEBHOOK_SECRET",
        "TICKET_SECRET",
        "ACCESS_SECRET",
        "SESSION_SECRETS",
        "DATABASE_URL",
        "PGDATA",
        "HOME",
        "LC_ALL",
    ):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PATH", "/usr/bin")
    environment = programs.server_environment()
    allocator = {"MALLOC_TRIM_THRESHOLD_": "8388608", "MALLOC_MMAP_THRESHOLD_": "4194304"}
    assert allocator.items() <= environment.items()
    inherited = environment.keys() - allocator.keys()
    assert inherited <= {"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TZDIR", "LC_ALL"}
    assert (environment["PATH"], environment["LC_ALL"]) == ("/usr/bin", "C")
