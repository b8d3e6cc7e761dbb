"""Whether the peer of an HTTP/2 connection is still there: its SETTINGS, and its answers to PING.

No I/O and no threads: who owns the connection looks at the times that this names.
"""

from __future__ import annotations

from nghttp2_api.constants import NGHTTP2_NO_ERROR, NGHTTP2_SETTINGS_TIMEOUT

from ..errors import Http2ConnectionError, ReceiveTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import HttpClientError
    from .session import Http2Session

#: Seconds more where nobody has listened until then.
_GRACE = 1.0


class Http2Health:
    """The limits in time of a connection as such.

    :param now: the time, in ``time.monotonic()`` seconds as everywhere here.
    :param settings_timeout: seconds for the peer's SETTINGS and its acknowledgement of ours.
    :param ping_interval: seconds of silence after which PING is sent; 0 never to.
    :param ping_timeout: seconds in which anything has to be heard after that.

    :ivar heard: when something was last received; to be kept up to date.
    """

    __slots__ = ("_asked", "_interval", "_ping_due", "_settings_due", "_settings_timeout", "_timeout", "heard")

    def __init__(self, now: float, settings_timeout: float, ping_interval: float, ping_timeout: float) -> None:
        self.heard = now
        self._settings_timeout = settings_timeout
        self._settings_due = now + settings_timeout
        self._interval = ping_interval
        self._timeout = ping_timeout
        #: When the PING was sent that isn't answered; 0 where there is none.
        self._asked = 0.0
        self._ping_due = now + ping_interval

    @property
    def due(self) -> float:
        """When to look next; 0 for never again."""
        due = self._settings_due
        if self._interval:
            due = min(due, self._ping_due) if due else self._ping_due
        return due

    @property
    def expects_answer(self) -> bool:
        """Somebody has to listen now."""
        return self._asked > 0

    def look(self, session: Http2Session, now: float, listening: bool) -> HttpClientError | None:
        """Queue PING if it is time to.

        :param listening: somebody reads what arrives.
        :return: why to give the connection up; ``None`` not to.
        """
        if self._settings_due and session.settings_acknowledged:
            self._settings_due = 0.0
        if self._settings_due and now >= self._settings_due:
            if listening:
                missing = "acknowledge ours" if session.settings_received else "send its SETTINGS"
                return Http2ConnectionError(
                    f"the server did not {missing} within {self._settings_timeout:g} s (SETTINGS_TIMEOUT)",
                    NGHTTP2_SETTINGS_TIMEOUT,
                )
            self._settings_due = now + _GRACE
        if self._interval:
            if self._asked and self.heard > self._asked:
                self._asked = 0.0
            if self._asked:
                if now >= self._asked + self._timeout:
                    return ReceiveTimeoutError(
                        f"the server did not answer PING within {self._timeout:g} s, so the connection was given up"
                    )
                self._ping_due = self._asked + self._timeout
            elif now >= self.heard + self._interval:
                session.ping()
                self._asked = now
                # The answer comes long before its limit, and the silence after it counts again.
                self._ping_due = now + min(self._timeout, self._interval)
            else:
                self._ping_due = self.heard + self._interval
        return None


def goaway_code(error: HttpClientError) -> int:
    """Return what GOAWAY says about a connection that is given up for *error*."""
    return error.error_code if isinstance(error, Http2ConnectionError) else NGHTTP2_NO_ERROR
