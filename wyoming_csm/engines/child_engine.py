"""The near end of a heavy engine: its sentences go to a child process, sound comes back."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from wyoming_csm.audio import BYTES_PER_SECOND
from wyoming_csm.config import Config, EngineName
from wyoming_csm.engines.base import Callback, Load, Sentence, Status
from wyoming_csm.engines.supervisor import COMMAND, Supervisor
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.errors import EngineError, WorkerDied
from wyoming_csm.voice_choice import of_language
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker import protocol

# Of one sentence's sound, and for each of its characters: more than the slowest voice takes for
# letters that are spelt. Children end what went astray themselves, and long before.
MOST_SECONDS, MOST_EACH = 30.0, 1.0


def first_message(
    config: Config, engine: EngineName, voices: tuple[Voice, ...] = ()
) -> protocol.Configure:
    """Return what a child of this engine is told first."""
    return protocol.Configure(
        engine=engine,
        settings=msgspec.to_builtins(getattr(config, engine)),
        data_dir=config.data_dir,
        download_dir=str(config.models_dir),
        log_level=config.log.level,
        log_format=config.log.format,
        voices=voices,
        conversation=msgspec.to_builtins(config.conversation),
        speakers_dir=str(config.speakers_dir),
    )


class RecordedVoices:
    """Recorded voices as all children of one kind have them, and what makes clips unusable."""

    def __init__(self, now: Callable[[], tuple[Voice, ...]] = tuple) -> None:
        """`now` returns the recorded voices there are; it is cheap."""
        self.now = now
        self.faults: dict[Clip, str] = {}

    def prepared(self, clip: Clip, fault: str) -> bool:
        """Note what became of a clip ("": it can be used); return whether that is new."""
        before = self.faults.pop(clip, "")
        if fault:
            used = {clip for voice in self.now() for clip in voice.clips}
            self.faults = {one: why for one, why in self.faults.items() if one in used}
            self.faults[clip] = fault
        return fault != before

    def fault(self, voice: Voice) -> str:
        return next((self.faults[clip] for clip in voice.clips if clip in self.faults), "")


class ChildEngine:
    """An `Engine` over a child process that is started again when it dies or hangs.

    - `configure`: the first message to every child; its `engine` is this engine's name.
    - `voices`: its voices as known without loading; cheap, called often, the first is the default.
    - `probe`: raises EngineUnavailable if it cannot run here; cheap, called in a thread.
    - `look`: looks which of these voices there are by now, if a disk tells; called in a thread.
    - `title`: what people read of it, where several have one name.
    - `recorded`: those of its voices whose clips the child makes ready; one for all replicas.
    """

    def __init__(
        self,
        configure: protocol.Configure,
        *,
        voices: Callable[[], tuple[Voice, ...]],
        probe: Callable[[], None],
        look: Callable[[], object] | None = None,
        patience: Timeouts,
        title: str = "",
        recorded: RecordedVoices | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._name = configure.engine
        self._title = title or configure.engine
        self._recorded = recorded or RecordedVoices()
        self._told: tuple[Voice, ...] = ()  # those of the recorded ones that the child knows
        self._known_voices, self._look = voices, look
        self._learned_voices: tuple[Voice, ...] = ()  # what the last child that loaded told
        self._identity: protocol.Identified | None = None  # of the last child that said it
        self._memory: protocol.GpuMemory | None = None  # as the child said last
        self._slots = 1
        self._subscribers: list[tuple[Callback, Callback]] = []
        self._sentences: dict[int, Sentence] = {}  # by number: those not over yet
        self._replies: set[int] = set()  # those it spoke in, not ended yet
        self._idle_since = 0.0  # the loop's time
        self._supervisor = Supervisor(
            self._title, configure, self, probe=probe, patience=patience, command=command
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def title(self) -> str:
        return self._title

    @property
    def status(self) -> Status:
        return self._supervisor.status

    @property
    def load(self) -> Load:
        slots = self._slots
        return Load(slots - len(self._sentences), len(self._replies) / slots, slots)

    @property
    def gpu_memory(self) -> protocol.GpuMemory | None:
        return self._memory if self._supervisor.child else None

    @property
    def identity(self) -> protocol.Identified | None:
        return self._identity

    @property
    def pid(self) -> int | None:
        """Return the child's, while it is ready."""
        child = self._supervisor.child
        return child.pid if child else None

    @property
    def voices(self) -> tuple[Voice, ...]:
        by_name = {voice.name: voice for voice in self._known_voices()}
        by_name |= {voice.name: voice for voice in self._learned_voices}
        if not self._recorded.faults:
            return tuple(by_name.values())
        return tuple(replace(v, fault=v.fault or self._recorded.fault(v)) for v in by_name.values())

    async def look_at_voices(self) -> None:
        """See what voices there are by now, and tell if that is news."""
        if self._look is not None:
            before = self._known_voices()
            await asyncio.to_thread(self._look)
            if self._known_voices() != before:
                self.changed()

    def voice_for(self, voice: Voice) -> Voice | None:
        usable = [own for own in self.voices if not own.fault]
        name = voice.base or voice.name
        own = next((own for own in usable if own.name == name), None)
        if own is None:
            own = next(iter(of_language(usable, voice.language)), None)
        elif voice.speaker in own.speakers:
            own = replace(own, speaker=voice.speaker)
        return (
            own if own is None or own.manner == voice.manner else replace(own, manner=voice.manner)
        )

    def subscribe(self, changed: Callback, freed: Callback = lambda: None) -> None:
        self._subscribers.append((changed, freed))

    async def wait_loaded(self) -> None:
        await self._supervisor.wait_loaded()

    def wake(self) -> None:
        self._supervisor.wake()

    def hurry(self) -> None:
        self._supervisor.hurry()

    async def start(self) -> None:
        self._supervisor.start()
        self._told = tuple(voice for voice in self._told if not self._recorded.fault(voice))
        self._tell_voices()  # what could not be used is tried once more

    async def stop(self) -> None:
        await self._supervisor.stop()

    # -- sentences

    def say(self, sentence: Sentence) -> None:
        child = self._supervisor.child
        if child is None:
            raise EngineError(f"{self._title} is not ready ({self.status.detail})")
        self._sentences[sentence.number] = sentence
        self._replies.add(sentence.reply)
        one = sentence
        with suppress(WorkerDied):  # the supervisor learns of it in a moment, and tells
            who, how = (one.number, one.reply, one.client), (one.rate, one.stretch)
            child.send(protocol.Say(*who, one.text, one.voice, *how, one.said))

    def take_back(self, sentence: Sentence) -> None:
        if self._finish(sentence.number):
            self._tell(protocol.Stop(sentence.number))

    def end_reply(self, reply: int) -> None:
        if reply in self._replies:
            self._replies.remove(reply)
            self._idle_since = asyncio.get_running_loop().time()
            self._tell(protocol.EndReply(reply))

    def _tell(self, message: protocol.ToChild) -> None:
        if child := self._supervisor.child:
            with suppress(WorkerDied):
                child.send(message)

    def _finish(self, number: int, fault: EngineError | None = None, seconds: float = 0.0) -> bool:
        """End a sentence: nothing more comes of it. Return whether it was not over yet."""
        if (sentence := self._sentences.pop(number, None)) is None:
            return False
        sentence.over, sentence.fault, sentence.seconds = True, fault, seconds
        sentence.news()
        for _, freed in self._subscribers:
            freed()
        return True

    # -- for the supervisor

    def receive(self, message: protocol.FromChild) -> None:
        """Note what the child says; what comes of a sentence that was taken back is dropped."""
        match message:
            case protocol.Ready(_, slots, voices):
                self._slots, self._learned_voices = max(1, slots), voices
                self._told, self._memory = (), None
                self._idle_since = asyncio.get_running_loop().time()
            case protocol.Prepared(clip, fault) if self._recorded.prepared(clip, fault):
                self.changed()
            case protocol.Working(_, memory):
                self._memory = memory
            case protocol.Identified():
                self._identity = message
            case protocol.Done(number, seconds, whole, codes):
                if sentence := self._sentences.get(number):
                    sentence.whole, sentence.codes = whole, codes
                self._finish(number, seconds=seconds)
            case protocol.Failed(number, reason):
                self._finish(number, EngineError(f"{self._title}: {reason}"))
            case protocol.OfSentence(number) if sentence := self._sentences.get(number):
                _note(sentence, message)
                if _goes_on_for_ever(sentence):
                    self._tell(protocol.Stop(number))
                    self._finish(number, EngineError(f"{self._title}: a sentence did not end"))
                sentence.news()

    @property
    def idle_seconds(self) -> float:
        if self._replies:
            return 0.0
        return asyncio.get_running_loop().time() - self._idle_since

    def lost(self, why: str) -> None:
        """End all sentences: the child is gone, or about to be."""
        for number in list(self._sentences):
            self._finish(number, WorkerDied(f"{self._title}: {why}"))

    def changed(self) -> None:
        """Tell the child and all subscribers: `status` or `voices` became another."""
        self._tell_voices()
        for changed, _ in self._subscribers:
            changed()

    def _tell_voices(self) -> None:
        if self._supervisor.child is None:
            return
        now = self._recorded.now()
        new = tuple(voice for voice in now if voice.clips and voice not in self._told)
        self._told = now
        if new:
            self._tell(protocol.Learn(new))


def _note(sentence: Sentence, message: protocol.OfSentence) -> None:
    match message:
        case protocol.Audio(_, pcm):
            sentence.sound.append(pcm)
            sentence.made += len(pcm)
        case protocol.Begun():
            sentence.begun = True
        case protocol.Preparing():
            sentence.preparing = True
        case protocol.Late():
            sentence.late = True


def _goes_on_for_ever(sentence: Sentence) -> bool:
    most = (MOST_SECONDS + MOST_EACH * len(sentence.text)) / sentence.rate
    return sentence.made > most * BYTES_PER_SECOND
