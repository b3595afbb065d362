"""Stop signals that interrupt a command."""

import signal
import weakref

import pytest

from api.commands.signals import StopRequested, stop_signals


def test_a_signal_during_a_callback_is_neither_lost_nor_reported(capfd: pytest.CaptureFixture[str]) -> None:
    class Referent:
        pass

    referent = Referent()
    reference = weakref.ref(referent, lambda _: signal.raise_signal(signal.SIGTERM))
    steps = []
    try:
        with stop_signals() as signals, signals.interrupting():
            del referent
            steps.append("continued")
        steps.append("left")
    except StopRequested:
        steps.append("stopped")
    assert reference() is None
    assert steps == ["continued", "stopped"]
    assert capfd.readouterr().err == ""
