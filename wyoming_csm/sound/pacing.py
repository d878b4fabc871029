"""What a listener has left to play: silence before that runs out, a slow engine's sentence in time.

A listener plays from the first sound on, and what comes too late is a gap, in the middle of a word
if the engine is slow. So a slow engine's sentence waits until its rest can no longer come too late;
and while the listener waits, for text or for an engine, silence comes between sentences, where a
pause belongs.

A pause is all that is sent between the last loud window of a sentence (`sound/ends.py`) and the
onset of the next: first the sentence's own quiet end, which is not sent before it is known what
follows, then silence. Where the text asks for a break, the pause is that long to the sample,
whatever the sentence ends with; only a listener who waits for text may have got more already.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from wyoming_csm.audio import BYTES_PER_SECOND, SAMPLE_RATE, SAMPLE_WIDTH
from wyoming_csm.config import SoundConfig

SLICE_SECONDS = 0.1  # of silence at a time
MOST_SECONDS = 30.0  # of silence in one place: whoever sends no more has left it open
MARGIN_SECONDS = 0.15  # so long before nothing would be left to play, silence comes
FIRST_SOUND_SECONDS = 4.0  # nobody waits longer for the beginning
SECONDS_A_CHARACTER = 0.08  # a slow reader's
_SAFETY = 0.9  # of a speed that was measured: the next sentence's may be lower
_MEASURED_SECONDS = 0.3  # after which a sentence's own speed tells more than those before it


class Speed:
    """Seconds of sound that an engine makes in a second, as its sentences show."""

    def __init__(self, known: float | None = None) -> None:
        self.known = known  # None: no sentence came in more than one part

    def measured(self, speed: float) -> None:
        """Note a sentence's."""
        self.known = speed if self.known is None else (self.known + speed) / 2


class Outlet(Protocol):
    """What the sound goes to: 24 kHz mono s16le."""

    @property
    def full(self) -> bool:
        """Tell whether the listener has more than it takes."""

    def send(self, pcm: bytes) -> None:
        """Add sound. Raises ConnectionError."""

    def flush(self) -> None:
        """Let all of it go. Raises ConnectionError."""


class Pacer:
    """Sends one reply's sound, in order and unchanged, when its listener is best served.

    Example: an engine of half the speed of speech, a sentence of 4 s. From its first sound at 1 s
    on 0.5 s come in a second, so all is there at 9 s. To end without a gap it begins at 5 s, when
    2 s of it are there. The next sentence is there at 17 s and can begin at 13 s; the first is over
    at 9 s, so 4 s of silence stand between them.
    """

    def __init__(self, outlet: Outlet, config: SoundConfig, asked_at: float) -> None:
        """Take when the reply was asked for, in the loop's time."""
        self._loop = asyncio.get_running_loop()
        self._outlet = outlet
        self._fills = config.fill_gaps
        self._latest = asked_at + FIRST_SOUND_SECONDS  # for the first sound
        # Samples of silence between the sentence before and the next one:
        self._pause = round(config.lead_in * SAMPLE_RATE)  # in all
        self._break = 0  # as many as the text asks for
        self._quiet = 0  # sent already
        self._tail = b""  # the sentence's own, not sent yet
        self._empty_at: float | None = None  # when nothing is left to play; None: nothing was sent
        self._timer: asyncio.TimerHandle | None = None
        self._sentence = _Sentence(0)
        self._inside = False  # a part of the sentence was sent: no silence now
        self._filled = 0.0  # seconds of silence since the last one

    @property
    def sounds(self) -> bool:
        """Tell whether a part of the sentence was sent."""
        return self._inside

    def begin(
        self, characters: int, pause: float = 0.0, rate: float = 1.0, *, joined: bool = False
    ) -> None:
        """Note that a sentence was asked for, to be so many times as fast as usual; at least so
        many seconds of silence belong before it. `joined`: no more, whatever the one before had.
        While none of it sounds it may begin anew: what was held back of it is dropped."""
        samples = round(pause * SAMPLE_RATE)
        self._pause = samples if joined else max(self._pause, samples)
        self._sentence = _Sentence(characters * SECONDS_A_CHARACTER / rate)

    def sound(self, pcm: bytes, speed: Speed, made: int, stretch: float = 1.0) -> None:
        """Take the next sound of the sentence; so its engine is known, which made so many bytes,
        silence that goes included, before they were made `stretch` times as fast.

        Raises ConnectionError."""
        now = self._loop.time()
        self._sentence.add(pcm, now, speed, made, stretch)
        began = self._empty_at is not None
        late = not began and now >= self._latest
        if self._inside or late or not self._fills or self._sentence.is_in_time(self._left(now)):
            self._release()
        elif not began:
            self._at(self._latest, self._release)

    def end(self, pcm: bytes, pause: float, tail: bytes = b"") -> None:
        """Take the last of the sentence, the seconds of silence that belong before another, and
        what it has of these itself. Raises ConnectionError."""
        self._sentence.end(pcm)
        self._release()
        self._outlet.flush()
        if self._inside:  # else all before it still counts
            self._pause, self._tail = round(pause * SAMPLE_RATE), tail
            self._break = self._quiet = 0
        self._inside, self._filled = False, 0.0
        self._watch()

    def pause(self, samples: int) -> None:
        """Make the pause here so long, or so much longer, as the text asks for it.

        Raises ConnectionError."""
        self._break += samples
        self._pause = self._break
        self._quieten(self._break)
        self._watch()

    def finish(self) -> None:
        """Send the quiet end of the last sentence, unless a break has ended it.

        Raises ConnectionError."""
        if not self._break:
            self._quieten(self._quiet + len(self._tail) // SAMPLE_WIDTH)

    def close(self) -> None:
        """Send no more silence: the reply is over. Calling it twice is harmless."""
        if self._timer is not None:
            self._timer.cancel()

    def _release(self) -> None:
        """Send what there is of the sentence."""
        if not (pcm := self._sentence.take()):
            return
        self.close()
        if not self._inside:
            self._inside = True
            self._quieten(self._pause)
        self._put(pcm)

    def _quieten(self, samples: int) -> None:
        """Send silence, the sentence's own first, until there are so many samples of it."""
        if (size := (samples - self._quiet) * SAMPLE_WIDTH) <= 0:
            return
        own, self._tail = self._tail[:size], self._tail[size:]
        self._put(own + bytes(size - len(own)))
        self._quiet = samples
        self._outlet.flush()

    def _put(self, pcm: bytes) -> None:
        now = self._loop.time()
        self._empty_at = max(self._empty_at or now, now) + len(pcm) / BYTES_PER_SECOND
        self._outlet.send(pcm)

    def _left(self, now: float) -> float:
        """Return how many seconds are left to play."""
        return max(0.0, (self._empty_at or now) - now)

    def _watch(self) -> None:
        """See to it that silence comes in time, while no sentence does."""
        if self._fills and self._empty_at is not None and self._filled < MOST_SECONDS:
            self._at(self._empty_at - MARGIN_SECONDS, self._fill)

    def _fill(self) -> None:
        if self._outlet.full:
            self._at(self._loop.time() + MARGIN_SECONDS, self._fill)
            return
        self._filled += SLICE_SECONDS
        self._quieten(self._quiet + round(SLICE_SECONDS * SAMPLE_RATE))
        self._watch()

    def _at(self, moment: float, act: Callable[[], None]) -> None:
        self.close()
        self._timer = self._loop.call_at(moment, self._act, act)

    def _act(self, act: Callable[[], None]) -> None:
        with suppress(ConnectionError):  # whoever sends next learns of it
            act()


class _Sentence:
    """What came of a sentence, and how quickly."""

    def __init__(self, expected: float) -> None:
        """Take how many seconds it will probably have when it is played."""
        self._expected = expected
        self._stretch = 1.0
        self._speed = Speed()
        self._first_at: float | None = None
        self._first = self._made = 0.0  # seconds, as made: in the first part, in all
        self._last_at = 0.0
        self._held = bytearray()

    def add(self, pcm: bytes, now: float, speed: Speed, made: int, stretch: float) -> None:
        self._held += pcm
        self._stretch = stretch
        self._made += made / BYTES_PER_SECOND
        if self._first_at is None:
            self._first_at, self._first, self._speed = now, self._made, speed
        self._last_at = now

    def take(self) -> bytes:
        pcm = bytes(self._held)
        self._held.clear()
        return pcm

    def is_in_time(self, left: float) -> bool:
        """Tell whether no part would come too late if it were played now, `left` seconds on."""
        speed = self._own_speed()
        if speed is None:
            return False
        speed *= _SAFETY / self._stretch
        if speed >= 1:
            return True
        made = self._made / self._stretch
        expected = max(self._expected, made)
        return made >= expected - speed * (expected + left)

    def end(self, pcm: bytes) -> None:
        """Take the rest, which was held back here, and tell the engine's speed of it all."""
        self._held += pcm
        if (speed := self._measured()) is not None:
            self._speed.measured(speed)

    def _own_speed(self) -> float | None:
        known = self._speed.known
        if known is None or self._last_at - (self._first_at or 0.0) >= _MEASURED_SECONDS:
            return self._measured() or known
        return known

    def _measured(self) -> float | None:
        """Return its speed after its first part; None: there is no second one."""
        if self._made <= self._first or self._first_at is None:
            return None
        return (self._made - self._first) / max(self._last_at - self._first_at, 0.001)
