"""`worker --only` selects groups of jobs, and refuses others."""

from pathlib import Path

import pytest

from api.__main__ import main
from api.commands import worker
from api.commands.groups import GROUPS, parse_groups
from api.config import Settings
from api.errors import ConfigError
from api.services.mail.delivery import Mailer
from tests.integration.asynchronous import Provider


def jobs(directory: Path) -> tuple[worker.Job, ...]:
    return worker.jobs(Provider(), Mailer(Settings(data_dir=directory)))


def test_every_group_has_jobs_and_every_job_a_group(tmp_path: Path) -> None:
    assert {job.group for job in jobs(tmp_path)} == set(GROUPS)


def test_the_names_of_jobs_differ(tmp_path: Path) -> None:
    names = [job.name for job in jobs(tmp_path)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("text", "groups"), [("payments", ("payments",)), ("payments, core,payments", ("core", "payments"))]
)
def test_groups_are_selected_once_each(text: str, groups: tuple[str, ...]) -> None:
    assert parse_groups(text) == groups


@pytest.mark.parametrize("text", ["", "core,", "posts", "core payments"])
def test_an_unknown_group_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="unknown group"):
        parse_groups(text)


def test_a_worker_with_an_unknown_group_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["worker", "--only", "core,posts"])
    assert ended.value.code == 2
    assert "argument --only: unknown group 'posts', not one of core, payments, mail" in capsys.readouterr().err
