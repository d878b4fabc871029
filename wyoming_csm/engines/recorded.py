"""Recorded voices between an engine and its children: what each was told of, what none can use."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from wyoming_csm.voices import Clip, Voice


class RecordedVoices:
    """What the children of one kind have in common. `now`: those there are; cheap."""

    def __init__(self, now: Callable[[], tuple[Voice, ...]] = tuple) -> None:
        self.now = now
        self._faults: dict[Clip, str] = {}

    def prepared(self, clip: Clip, fault: str) -> bool:
        """Note what became of a clip ("": it can be used); return whether that is new."""
        before = self._faults.pop(clip, "")
        if fault:
            used = {clip for voice in self.now() for clip in voice.clips}
            self._faults = {one: why for one, why in self._faults.items() if one in used}
            self._faults[clip] = fault
        return fault != before

    def described(self, voices: Sequence[Voice]) -> tuple[Voice, ...]:
        """Return the voices with the faults of those that have one."""
        if not self._faults:
            return tuple(voices)
        return tuple(
            replace(voice, fault=fault) if (fault := self.fault(voice)) else voice
            for voice in voices
        )

    def fault(self, voice: Voice) -> str:
        return next((self._faults[clip] for clip in voice.clips if clip in self._faults), "")


class ToldVoices:
    """Notes which recorded voices one child knows."""

    def __init__(self, recorded: RecordedVoices) -> None:
        self._recorded = recorded
        self._told: tuple[Voice, ...] = ()

    def begin(self) -> None:
        """Forget all: a child is ready that knows none."""
        self._told = ()

    def again(self) -> None:
        """Let what could not be used be tried once more."""
        self._told = tuple(voice for voice in self._told if not self._recorded.fault(voice))

    def news(self) -> tuple[Voice, ...]:
        """Return those that the child does not know; after this it does."""
        now = self._recorded.now()
        new = tuple(voice for voice in now if voice.clips and voice not in self._told)
        self._told = now
        return new
