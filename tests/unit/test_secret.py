"""The secrets of webhooks and tickets: given, or made once for all processes and kept from others."""

import multiprocessing
import stat
from pathlib import Path

import pytest

from api.config import (
    TICKET_SECRET,
    WEBHOOK_SECRET,
    Secret,
    Settings,
)
from api.errors import SetupError
from api.secret import load_or_create_secret

PROCESSES = 8

each_secret = pytest.mark.parametrize("secret", [WEBHOOK_SECRET, TICKET_SECRET], ids=lambda secret: secret.field)


@each_secret
def test_a_given_secret_is_taken_and_nothing_is_kept(tmp_path: Path, secret: Secret) -> None:
    given = f"{secret.prefix}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    settings = Settings.from_env({secret.field.upper(): given, "DATA_DIR": str(tmp_path / "data")})
    assert load_or_create_secret(settings, secret) == given
    assert not (tmp_path / "data").exists()


@each_secret
def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path, secret: Secret) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "data")
    made = load_or_create_secret(settings, secret)
    assert secret.fits(made)
    assert load_or_create_secret(settings, secret) == made
    assert stat.S_IMODE((settings.data_dir / secret.file_name).stat().st_mode) == 0o600
    assert load_or_create_secret(Settings(data_dir=tmp_path / "other"), secret) != made


def test_one_secret_is_not_the_other(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    webhooks, tickets = load_or_create_secret(settings, WEBHOOK_SECRET), load_or_create_secret(settings, TICKET_SECRET)
    assert WEBHOOK_SECRET.key(webhooks) != TICKET_SECRET.key(tickets)
    assert not TICKET_SECRET.fits(webhooks)
    assert not WEBHOOK_SECRET.fits(tickets)


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES)
    answers = context.SimpleQueue()
    processes = [context.Process(target=_ask, args=(tmp_path / "data", start, answers)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    secrets = {answers.get() for _ in processes}
    for process in processes:
        process.join()
    assert secrets == {load_or_create_secret(Settings(data_dir=tmp_path / "data"), WEBHOOK_SECRET)}


def _ask(
    data_dir: Path, start: "multiprocessing.synchronize.Barrier", answers: "multiprocessing.SimpleQueue[str]"
) -> None:
    start.wait()
    answers.put(load_or_create_secret(Settings(data_dir=data_dir), WEBHOOK_SECRET))


@each_secret
def test_a_file_that_was_never_written_is_written(tmp_path: Path, secret: Secret) -> None:
    (tmp_path / secret.file_name).touch(0o600)  # its maker was killed
    assert secret.fits(load_or_create_secret(Settings(data_dir=tmp_path), secret))


@each_secret
@pytest.mark.parametrize("content", [b"whsec_short", b"tksec_short", b"\xff\xfe"])
def test_a_file_with_something_else_is_refused_by_its_name_and_not_shown(
    tmp_path: Path, secret: Secret, content: bytes
) -> None:
    (tmp_path / secret.file_name).write_bytes(content)
    with pytest.raises(SetupError) as refusal:
        load_or_create_secret(Settings(data_dir=tmp_path), secret)
    assert str(tmp_path / secret.file_name) in str(refusal.value)
    assert "short" not in str(refusal.value)


@each_secret
def test_a_place_that_cannot_be_used_is_told(tmp_path: Path, secret: Secret) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(SetupError, match="cannot be read or made"):
        load_or_create_secret(Settings(data_dir=tmp_path / "data"), secret)
