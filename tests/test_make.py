"""What the commands that make things do beside their library calls."""

import os
import signal

import pytest

from archspec.cli.common import ended_by_signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_program_with_its_cleaning_up(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    cleaned = False
    with pytest.raises(SystemExit) as end, ended_by_signals():  # noqa: PT012  the signal comes amid the work
        try:
            os.kill(os.getpid(), number)
        finally:
            cleaned = True
    assert (end.value.code, cleaned) == (code, True)
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_so() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
