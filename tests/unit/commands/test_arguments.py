"""Arguments of the command line: a wrong one is refused with the value and the allowed values."""

import pytest

from api.__main__ import main


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (["--reference", "\udcff"], "argument --reference: '\\udcff' is not UTF-8"),
        (["--ticket", "1", "--at", "soon"], "argument --at: 'soon' is not a time such as 2026-11-24T20:00:07Z"),
        (["--ticket", "1", "--at", "2016-12-31T23:59:60Z"], "argument --at: '2016-12-31T23:59:60Z' is not a time"),
    ],
    ids=["reference", "text", "leap second"],
)
def test_history_refuses(argument: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_of:
        main(["history", *argument])
    assert exit_of.value.code == 2
    assert message in capsys.readouterr().err


def test_retry_refund_refuses_another_text_than_a_uuid(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_of:
        main(["retry-refund", "bk_1"])
    assert exit_of.value.code == 2
    assert "argument ID: 'bk_1' is not a UUID" in capsys.readouterr().err
