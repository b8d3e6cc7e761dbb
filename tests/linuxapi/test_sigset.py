"""linuxapi.sigset: sets in memory, compared with what Python's own mask functions make of them."""

from __future__ import annotations

import errno
import signal

import pytest

from linuxapi import sigaddset, sigdelset, sigemptyset, sigfillset, sigismember, sigset_t


def members(signals: sigset_t) -> set[int]:
    return {number for number in signal.valid_signals() if sigismember(signals, number)}


def test_add_and_delete() -> None:
    signals = sigset_t()
    assert members(signals) == set()
    sigaddset(signals, signal.SIGUSR1)
    sigaddset(signals, signal.SIGRTMAX)
    assert members(signals) == {signal.SIGUSR1, signal.SIGRTMAX}
    sigdelset(signals, signal.SIGUSR1)
    assert members(signals) == {signal.SIGRTMAX}


def test_fill_and_empty() -> None:
    signals = sigset_t()
    sigfillset(signals)
    assert members(signals) == signal.valid_signals()
    sigemptyset(signals)
    assert members(signals) == set()
    assert bytes(signals) == bytes(len(bytes(signals)))


def test_no_such_signal() -> None:
    for call in (sigaddset, sigdelset, sigismember):
        with pytest.raises(OSError, match=call.__name__) as caught:
            call(sigset_t(), 100_000)
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("call", [sigemptyset, sigfillset])
def test_no_set_is_an_error_of_c(call: object) -> None:
    assert callable(call)
    with pytest.raises(OSError):
        call(None)
