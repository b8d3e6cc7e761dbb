"""What requests and niquests, which has its interface, do in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.clients import Crew, repeat
from benchmarks.content import KIB, check_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.content import Receiver
    from benchmarks.workloads import Target

_BUFFER = 512 * KIB


class Operations:
    """The operations of a client's module.

    :param open_session: makes a session for a target.
    """

    def __init__(self, open_session: Callable[[Target], Any]) -> None:
        self._open_session = open_session

    def one_at_a_time(self, target: Target) -> Callable[[int], None]:
        session = self._open_session(target)
        return repeat(lambda: session.get(target.url).content, target)

    def in_threads(self, target: Target) -> Callable[[int], None]:
        session = self._open_session(target)
        return Crew([repeat(lambda: session.get(target.url).content, target)] * target.concurrency)

    def new_connections(self, target: Target) -> Callable[[int], None]:
        session = self._open_session(target)
        session.headers["Connection"] = "close"
        return repeat(lambda: session.get(target.url).content, target)

    def hold(self, target: Target) -> Callable[[Sequence[str]], None]:
        session = self._open_session(target)

        def run(urls: Sequence[str]) -> None:
            # A connection whose body nobody has read yet isn't reused: so every request opens one.
            responses = [session.get(url, stream=True) for url in urls]
            for response in responses:
                check_small(response.content, target.body)

        return run

    def download(self, target: Target) -> Callable[[str, Receiver], None]:
        session = self._open_session(target)

        def run(url: str, receive: Receiver) -> None:
            with session.get(url, stream=True) as response:
                for chunk in response.iter_content(_BUFFER):
                    receive(chunk)

        return run
