"""The data directory: private, or left alone; a reason and a remedy if it cannot be used."""

import errno
import os
from pathlib import Path

import pytest

from api.data_dir import open_private, prepare, runtime_directory, unusable
from api.errors import SetupError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_directory_and_an_own_one_become_private(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"
    prepare(directory)
    assert mode(directory) == 0o700
    directory.chmod(0o755)
    (directory / "ticket-secret").touch()
    prepare(directory)
    assert mode(directory) == 0o700


def test_a_directory_with_other_content_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "ticket-secret").touch()
    (tmp_path / "notes").touch()
    prepare(tmp_path)
    assert mode(tmp_path) == 0o755


def test_a_process_gets_an_empty_directory_that_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "run" / "api" / "left-by-a-killed-process"
    left.mkdir(parents=True)
    with runtime_directory(tmp_path, "api") as directory:
        assert directory == tmp_path / "run" / "api"
        assert (mode(directory), list(directory.iterdir())) == (0o700, [])
    assert not directory.exists()


def test_a_private_file_is_never_a_link(tmp_path: Path) -> None:
    os.close(open_private(tmp_path / "file", os.O_RDWR))
    assert mode(tmp_path / "file") == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="symbolic links"):
        open_private(tmp_path / "link", os.O_RDWR)


def test_a_file_instead_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    expected = rf"^The directory {tmp_path}/data cannot be used \(it is a file\): change this, or choose another"
    with pytest.raises(SetupError, match=expected), runtime_directory(tmp_path / "data", "api"):
        pass


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "this user has no access"),
        (errno.EROFS, "its file system is read-only"),
        (errno.ENOSPC, "its disk is full"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_the_reason_is_one_clear_sentence(number: int, reason: str) -> None:
    error = unusable(Path("/data"), OSError(number, os.strerror(number), "/data/run"))
    assert str(error) == (
        f"The directory /data cannot be used ({reason}): change this, or choose another with DATA_DIR=directory."
    )
