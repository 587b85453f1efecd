"""Which frames to take: so many a second of presentation time, however they come."""

from __future__ import annotations

# Half a frame at 25 a second: frames are not at exact multiples of 100 ms.
_EARLY_S = 0.02


class TimeGrid:
    """Says of each time whether it is the first at or after the next point of a regular grid.

    Args:
        every_s: seconds between points.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next = float("-inf")

    def takes(self, time: float) -> bool:
        """Whether to take the frame of this time.

        Where times go backwards, in a damaged clip, nothing is taken until they are ahead again.
        """
        if time < self._next - _EARLY_S:
            return False
        first = self._next == float("-inf")
        self._next = time + self._every_s if first else self._next + self._every_s
        # After a gap the grid goes on from here.
        if self._next <= time - _EARLY_S:
            self._next = time + self._every_s
        return True

    def thin_out(self) -> None:
        """Take half as many from now on; the last one that was taken stays."""
        self._next += self._every_s
        self._every_s *= 2
