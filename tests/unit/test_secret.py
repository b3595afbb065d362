"""The secret of webhooks: given, or made once for all processes and kept from others."""

import multiprocessing
import stat
from pathlib import Path

import pytest

from api.config import Settings, is_webhook_secret
from api.errors import SetupError
from api.secret import FILE_NAME, webhook_secret

PROCESSES = 8


def test_a_given_secret_is_taken_and_nothing_is_kept(tmp_path: Path) -> None:
    given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert webhook_secret(Settings(payment_webhook_secret=given, data_dir=tmp_path / "data")) == given
    assert not (tmp_path / "data").exists()


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "data")
    made = webhook_secret(settings)
    assert is_webhook_secret(made)
    assert webhook_secret(settings) == made
    assert stat.S_IMODE((settings.data_dir / FILE_NAME).stat().st_mode) == 0o600
    assert webhook_secret(Settings(data_dir=tmp_path / "other")) != made


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
    assert secrets == {webhook_secret(Settings(data_dir=tmp_path / "data"))}


def _ask(
    data_dir: Path, start: "multiprocessing.synchronize.Barrier", answers: "multiprocessing.SimpleQueue[str]"
) -> None:
    start.wait()
    answers.put(webhook_secret(Settings(data_dir=data_dir)))


def test_a_file_that_was_never_written_is_written(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch(0o600)  # its maker was killed
    assert is_webhook_secret(webhook_secret(Settings(data_dir=tmp_path)))


@pytest.mark.parametrize("content", [b"whsec_short", b"\xff\xfe"])
def test_a_file_with_something_else_is_refused_by_its_name_and_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(SetupError) as refusal:
        webhook_secret(Settings(data_dir=tmp_path))
    assert str(tmp_path / FILE_NAME) in str(refusal.value)
    assert "short" not in str(refusal.value)


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(SetupError, match="cannot be read or made"):
        webhook_secret(Settings(data_dir=tmp_path / "data"))
