"""linuxapi.epoll, with real descriptors."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pathlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import linuxapi.epoll
from linuxapi import (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLMSG,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDBAND,
    EPOLLRDHUP,
    EPOLLRDNORM,
    EPOLLWAKEUP,
    EPOLLWRBAND,
    EPOLLWRNORM,
    EventToString,
    epoll_create,
    epoll_create1,
    epoll_ctl,
    epoll_event,
    epoll_pwait,
    epoll_wait,
    eventfd,
    eventfd_read,
    eventfd_write,
    pepoll_event,
    ptsigset,
    sigaddset,
    sigset_t,
)
from tests.linuxapi.waits import alarms, nothing, once_the_gil_is_free


@pytest.fixture
def epfd() -> Iterator[int]:
    fd = epoll_create1(EPOLL_CLOEXEC)
    yield fd
    os.close(fd)


@pytest.fixture
def counter() -> Iterator[int]:
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    yield fd
    os.close(fd)


def watch(epfd: int, fd: int, events: int, tag: int = 0, op: int = EPOLL_CTL_ADD) -> None:
    event = epoll_event(events)
    event.data.u64 = tag
    epoll_ctl(epfd, op, fd, event)


def test_create1_sets_close_on_exec_only_when_told() -> None:
    closed, inherited = epoll_create1(EPOLL_CLOEXEC), epoll_create1(0)
    try:
        assert not os.get_inheritable(closed)
        assert os.get_inheritable(inherited)
    finally:
        os.close(closed)
        os.close(inherited)


def test_create() -> None:
    fd = epoll_create(1)
    try:
        assert epoll_wait(fd, (epoll_event * 1)(), 1, 0) == 0
    finally:
        os.close(fd)


def test_events_come_with_their_data(epfd: int, counter: int) -> None:
    other = eventfd(1, EFD_CLOEXEC)
    try:
        watch(epfd, counter, EPOLLIN, 2**64 - 1)
        watch(epfd, other, EPOLLIN, 0x0123456789ABCDEF)
        events = (epoll_event * 8)()
        assert epoll_wait(epfd, events, 8, -1) == 1
        assert (events[0].events, events[0].data.u64) == (EPOLLIN, 0x0123456789ABCDEF)
        assert events[0].data.u32 == 0x89ABCDEF
        eventfd_write(counter, 1)
        assert epoll_wait(epfd, events, 8, -1) == 2
        assert {event.data.u64 for event in events[:2]} == {2**64 - 1, 0x0123456789ABCDEF}
        # maxevents is a limit, also where more are ready.
        assert epoll_wait(epfd, events, 1, -1) == 1
    finally:
        os.close(other)


def test_level_edge_and_oneshot(epfd: int, counter: int) -> None:
    events = (epoll_event * 1)()
    eventfd_write(counter, 1)
    watch(epfd, counter, EPOLLIN)
    assert [epoll_wait(epfd, events, 1, 0) for _ in range(2)] == [1, 1]
    watch(epfd, counter, EPOLLIN | EPOLLET, op=EPOLL_CTL_MOD)
    assert [epoll_wait(epfd, events, 1, 0) for _ in range(2)] == [1, 0]
    watch(epfd, counter, EPOLLIN | EPOLLONESHOT, op=EPOLL_CTL_MOD)
    assert [epoll_wait(epfd, events, 1, 0) for _ in range(2)] == [1, 0]
    watch(epfd, counter, EPOLLIN | EPOLLONESHOT, op=EPOLL_CTL_MOD)
    assert epoll_wait(epfd, events, 1, 0) == 1


def test_exclusive_cannot_be_changed_later(epfd: int, counter: int) -> None:
    watch(epfd, counter, EPOLLIN | EPOLLEXCLUSIVE)
    with pytest.raises(OSError, match="Invalid argument") as caught:
        watch(epfd, counter, EPOLLIN, op=EPOLL_CTL_MOD)
    assert caught.value.errno == errno.EINVAL


def test_delete_needs_no_event(epfd: int, counter: int) -> None:
    eventfd_write(counter, 1)
    watch(epfd, counter, EPOLLIN)
    epoll_ctl(epfd, EPOLL_CTL_DEL, counter, None)
    assert epoll_wait(epfd, (epoll_event * 1)(), 1, 0) == 0


def test_a_pointer_or_a_single_event_will_do(epfd: int, counter: int) -> None:
    eventfd_write(counter, 1)
    event = epoll_event(EPOLLIN)
    event.data.fd = counter
    epoll_ctl(epfd, EPOLL_CTL_ADD, counter, ctypes.pointer(event))
    single = epoll_event()
    assert epoll_wait(epfd, single, 1, 0) == 1
    assert single.data.fd == counter
    several = (epoll_event * 2)()
    assert epoll_wait(epfd, ctypes.cast(several, pepoll_event), 2, 0) == 1
    assert several[0].data.fd == counter


@pytest.mark.parametrize(
    ("op", "error"), [(EPOLL_CTL_ADD, FileExistsError), (EPOLL_CTL_MOD, FileNotFoundError)], ids=["add", "modify"]
)
def test_errors_of_epoll_ctl_have_their_classes(epfd: int, counter: int, op: int, error: type[OSError]) -> None:
    if op == EPOLL_CTL_ADD:
        watch(epfd, counter, EPOLLIN)
    with pytest.raises(error, match=r"epoll_ctl: "):
        watch(epfd, counter, EPOLLIN, op=op)


def test_a_regular_file_cannot_be_watched(epfd: int, tmp_path: pathlib.Path) -> None:
    with open(tmp_path / "file", "wb") as file, pytest.raises(PermissionError):
        watch(epfd, file.fileno(), EPOLLIN)


def test_errno_of_the_other_functions() -> None:
    events = (epoll_event * 1)()
    calls: list[tuple[int, Callable[[], object]]] = [
        (errno.EINVAL, lambda: epoll_create(0)),
        (errno.EINVAL, lambda: epoll_create1(-1)),
        (errno.EBADF, lambda: epoll_wait(-1, events, 1, 0)),
        (errno.EBADF, lambda: epoll_pwait(-1, events, 1, 0, None)),
        (errno.EBADF, lambda: epoll_ctl(-1, EPOLL_CTL_DEL, 0, None)),
    ]
    for expected, call in calls:
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == expected


def test_maxevents_must_be_positive(epfd: int) -> None:
    with pytest.raises(OSError) as caught:
        epoll_wait(epfd, (epoll_event * 1)(), 0, 0)
    assert caught.value.errno == errno.EINVAL


def test_the_kernel_is_never_told_of_more_room_than_there_is(epfd: int) -> None:
    with pytest.raises(ValueError, match="room for 4 only"):
        epoll_wait(epfd, (epoll_event * 4)(), 5, 0)
    with pytest.raises(ValueError, match="room for 1 only"):
        epoll_pwait(epfd, epoll_event(), 2, 0, None)


def test_a_timeout_too_long_for_c_is_refused(epfd: int) -> None:
    with pytest.raises(OverflowError):
        epoll_wait(epfd, (epoll_event * 1)(), 1, 2**31)


def test_waiting_lets_other_threads_run(epfd: int, counter: int) -> None:
    watch(epfd, counter, EPOLLIN)
    events = (epoll_event * 1)()
    with once_the_gil_is_free(lambda: eventfd_write(counter, 5)):
        assert epoll_wait(epfd, events, 1, -1) == 1
    assert eventfd_read(counter) == 5
    with once_the_gil_is_free(lambda: eventfd_write(counter, 6)):
        assert epoll_pwait(epfd, events, 1, -1, None) == 1
    assert eventfd_read(counter) == 6


def test_a_signal_does_not_end_the_wait(epfd: int, counter: int) -> None:
    watch(epfd, counter, EPOLLIN)
    events = (epoll_event * 1)()

    def write_at_third(number: int) -> None:
        if number == 3:
            eventfd_write(counter, 1)

    with alarms(write_at_third) as count:
        assert epoll_wait(epfd, events, 1, -1) == 1
    assert count[0] >= 3
    eventfd_read(counter)
    with alarms(write_at_third) as count:
        assert epoll_pwait(epfd, events, 1, -1, None) == 1
    assert count[0] >= 3


@pytest.mark.parametrize("name", ["epoll_wait", "epoll_pwait"])
def test_after_a_signal_only_the_rest_of_the_time_is_waited(
    epfd: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = getattr(linuxapi.epoll, f"_{name}")
    timeouts = []

    def noting(*arguments: Any) -> int:
        timeouts.append(arguments[3])
        result: int = function(*arguments)
        return result

    noting.__name__ = name
    monkeypatch.setattr(linuxapi.epoll, f"_{name}", noting)
    events = (epoll_event * 1)()
    with alarms(nothing):
        if name == "epoll_wait":
            assert epoll_wait(epfd, events, 1, 60) == 0
        else:
            assert epoll_pwait(epfd, events, 1, 60, None) == 0
    assert timeouts[0] == 60
    assert len(timeouts) > 1
    assert timeouts == sorted(timeouts, reverse=True)
    assert 0 < timeouts[-1] < 60


def test_an_exception_from_the_handler_ends_the_wait(epfd: int) -> None:
    class Stop(Exception):
        pass

    def stop(number: int) -> None:
        raise Stop

    with alarms(stop), pytest.raises(Stop):
        epoll_wait(epfd, (epoll_event * 1)(), 1, -1)


@contextlib.contextmanager
def pending_signal(counter: int) -> Iterator[None]:
    """Have SIGUSR1 blocked and pending; its handler writes to *counter*."""
    handler = signal.signal(signal.SIGUSR1, lambda *_: eventfd_write(counter, 1))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        signal.raise_signal(signal.SIGUSR1)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, handler)


def test_pwait_waits_under_its_own_mask(epfd: int, counter: int) -> None:
    watch(epfd, counter, EPOLLIN)
    events = (epoll_event * 1)()
    keep = sigset_t()
    sigaddset(keep, signal.SIGUSR1)
    with pending_signal(counter):
        assert epoll_pwait(epfd, events, 1, 1, None) == 0
        assert epoll_pwait(epfd, events, 1, 1, keep) == 0
        # The empty set lets the pending signal in, its handler writes, and the wait finds that.
        assert epoll_pwait(epfd, events, 1, -1, ptsigset(sigset_t())) == 1
        assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, [])


NAMES = {
    "EPOLLIN": EPOLLIN,
    "EPOLLPRI": EPOLLPRI,
    "EPOLLOUT": EPOLLOUT,
    "EPOLLERR": EPOLLERR,
    "EPOLLHUP": EPOLLHUP,
    "EPOLLRDNORM": EPOLLRDNORM,
    "EPOLLRDBAND": EPOLLRDBAND,
    "EPOLLWRNORM": EPOLLWRNORM,
    "EPOLLWRBAND": EPOLLWRBAND,
    "EPOLLMSG": EPOLLMSG,
    "EPOLLRDHUP": EPOLLRDHUP,
    "EPOLLEXCLUSIVE": EPOLLEXCLUSIVE,
    "EPOLLWAKEUP": EPOLLWAKEUP,
    "EPOLLONESHOT": EPOLLONESHOT,
    "EPOLLET": EPOLLET,
}


def test_event_to_string() -> None:
    for name, bit in NAMES.items():
        assert EventToString(epoll_event(bit)) == name
    assert EventToString(epoll_event(0)) == ""
    assert EventToString(epoll_event(sum(NAMES.values()))) == " ".join(NAMES)
