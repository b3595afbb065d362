"""The command that grants the first roles, lists them and revokes them."""

import pytest

from api.__main__ import main
from api.schemas import BUILT_IN_EVENT

ANN, BOB = "ann@example.org", "bob@example.org"


@pytest.fixture(autouse=True)
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


def test_roles_are_granted_listed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        return main(["accounts", *arguments]), capsys.readouterr().out

    assert run("list") == (0, "No account has a role.\n")
    assert run("grant", ANN, "admin") == (0, f"{ANN} has the role admin for all events.\n")
    for _ in range(2):
        assert run("grant", BOB, "door", "--event", BUILT_IN_EVENT)[0] == 0
    listed = f"{ANN}  admin  all events\n{BOB}  door  {BUILT_IN_EVENT}\n"
    assert run("list") == (0, listed)
    assert run("revoke", BOB, "door") == (1, "The address does not have this role.\n")
    assert run("revoke", BOB.upper(), "door", "--event", BUILT_IN_EVENT) == (0, "The role is revoked.\n")
    assert run("list") == (0, f"{ANN}  admin  all events\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ann", "admin"), "'ann' is not an e-mail address, such as ann@example.org.\n"),
        (("ann@example.org ", "admin"), "'ann@example.org ' is not an e-mail address, such as ann@example.org.\n"),
        ((ANN, "admin", "--event", "unknown"), "There is no event 'unknown'.\n"),
    ],
)
def test_an_invalid_address_and_an_unknown_event_are_refused(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["accounts", "grant", *arguments]) == 1
    assert capsys.readouterr().err == message
