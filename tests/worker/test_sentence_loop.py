"""The loop of engines that speak one sentence after another."""

from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

import pytest

from tests.fakes import fake_voice
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker import sentence_loop
from wyoming_csm.worker.protocol import (
    Audio,
    Begun,
    Done,
    EndReply,
    Failed,
    FromChild,
    Say,
    Stop,
    ToChild,
    Working,
)
from wyoming_csm.worker.sentence_loop import MAX_CHUNK_BYTES, SentenceLoop

ANNA = fake_voice("anna")


class FakeChild:
    """The pipe's two sides as lists; `on_send` sees what is sent, as it is sent."""

    def __init__(self) -> None:
        self.inbox: SimpleQueue[ToChild | None] = SimpleQueue()
        self.sent: list[FromChild] = []
        self.on_send: Callable[[FromChild], None] = lambda message: None

    def send(self, message: FromChild) -> None:
        self.sent.append(message)
        self.on_send(message)

    @property
    def said(self) -> list[FromChild]:
        return [message for message in self.sent if not isinstance(message, Working | Begun)]


class FakeSpeaker:
    """Speaks one chunk a word; some words are faults, `slow` takes a minute."""

    detail = "fake"
    voices: tuple[Voice, ...] = ()
    warm_up: Sequence[tuple[str, Voice]] = ()
    identity = ""

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self.begun: list[str] = []
        self.closed: list[str] = []

    def say(self, text: str, voice: Voice, rate: float = 1.0) -> Iterator[bytes]:
        self.begun.append(text)
        try:
            for word in text.split():
                match word:
                    case "error":
                        raise EngineError("I cannot say that")
                    case "fault":
                        raise ZeroDivisionError("secret words")
                    case "memory":
                        raise MemoryError
                    case "slow":
                        self.now += 60
                        yield b"slow"
                    case "long":
                        yield bytes(2 * MAX_CHUNK_BYTES + 2)
                    case _:
                        yield word.encode()
        finally:
            self.closed.append(text)


@pytest.fixture
def child() -> FakeChild:
    return FakeChild()


@pytest.fixture
def speaker() -> FakeSpeaker:
    return FakeSpeaker()


@pytest.fixture
def loop(child: FakeChild, speaker: FakeSpeaker) -> SentenceLoop:
    return SentenceLoop(child.inbox, child.send, speaker, lambda: speaker.now)


def ask(child: FakeChild, *texts: str) -> None:
    for number, text in enumerate(texts, start=1):
        child.inbox.put(Say(number, 1, "", text, ANNA))


def test_in_order_of_arrival(child: FakeChild, loop: SentenceLoop) -> None:
    ask(child, "a b", "c")
    for _ in range(2):
        loop.turn()
    assert child.said == [
        Audio(1, b"a"),
        Audio(1, b"b"),
        Done(1, 0.0, whole=True),
        Audio(2, b"c"),
        Done(2, 0.0, whole=True),
    ]


def test_idle_it_beats(child: FakeChild, loop: SentenceLoop) -> None:
    child.inbox.put(None)
    loop.turn()
    assert child.sent == [Working(15)]


def test_memory_is_given_back_in_a_second_without_work_and_once(
    child: FakeChild, loop: SentenceLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[None] = []
    monkeypatch.setattr(sentence_loop, "trim_arenas", lambda: given.append(None))
    monkeypatch.setattr(sentence_loop, "HEARTBEAT_SECONDS", 0.001)
    loop.turn()
    assert len(given) == 1  # what loading left
    ask(child, "a", "b")
    loop.turn()
    loop.turn()
    child.inbox.put(EndReply(1))
    loop.turn()
    assert len(given) == 1
    for _ in range(3):
        loop.turn()
    assert len(given) == 2


def test_long_sound_is_cut(child: FakeChild, loop: SentenceLoop) -> None:
    ask(child, "long")
    loop.turn()
    sizes = [len(message.pcm) for message in child.said if isinstance(message, Audio)]
    assert sizes == [MAX_CHUNK_BYTES, MAX_CHUNK_BYTES, 2]


def test_a_stopped_sentence_is_not_begun(
    child: FakeChild, speaker: FakeSpeaker, loop: SentenceLoop
) -> None:
    ask(child, "a", "b", "c")
    child.inbox.put(Stop(2))
    for _ in range(2):
        loop.turn()
    assert speaker.begun == ["a", "c"]
    assert [message for message in child.said if isinstance(message, Done)] == [
        Done(1, 0.0, whole=True),
        Done(3, 0.0, whole=True),
    ]


def test_a_stop_ends_the_running_sentence(
    child: FakeChild, speaker: FakeSpeaker, loop: SentenceLoop
) -> None:
    def stop(message: FromChild) -> None:
        if message == Audio(1, b"b"):
            child.inbox.put(Stop(1))

    child.on_send = stop
    ask(child, "a b c d", "e")
    for _ in range(2):
        loop.turn()
    assert child.said == [Audio(1, b"a"), Audio(1, b"b"), Audio(2, b"e"), Done(2, 0.0, whole=True)]
    assert speaker.closed == ["a b c d", "e"]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("error", "I cannot say that"),
        ("fault", "ZeroDivisionError"),
        ("memory", "MemoryError"),
    ],
)
def test_a_sentences_fault_is_not_the_next_ones(
    child: FakeChild, loop: SentenceLoop, word: str, reason: str
) -> None:
    ask(child, f"a {word} b", "c")
    for _ in range(2):
        loop.turn()
    assert child.said == [
        Audio(1, b"a"),
        Failed(1, reason),
        Audio(2, b"c"),
        Done(2, 0.0, whole=True),
    ]


def test_what_cannot_be_spoken_is_done_without_sound(child: FakeChild, loop: SentenceLoop) -> None:
    ask(child, "")
    loop.turn()
    assert child.said == [Done(1, 0.0, whole=True)]


def limits(child: FakeChild) -> list[float]:
    return [message.limit_seconds for message in child.sent if isinstance(message, Working)]


def test_a_sentences_limit_follows_what_others_took(child: FakeChild, loop: SentenceLoop) -> None:
    """Each of its computations may take four times what is expected, and 15 s in any case."""
    ask(child, "slow", "slow", "a slow slow and a word", *["a"] * 20)
    for _ in range(23):
        loop.turn()
    idle, unknown, known, longer, *later = limits(child)
    assert idle == unknown == 15
    assert known == pytest.approx(4 * 60)
    assert longer == 600, "no more, whatever was measured"
    assert later[0] < known
    assert later[-1] == 15
    kinds = [type(message) for message in child.sent[:3]]
    assert kinds == [Working, Begun, Working], "before it, not after"


def test_a_voice_that_said_nothing_yet_is_as_slow_as_the_slowest(
    child: FakeChild, loop: SentenceLoop
) -> None:
    ask(child, "slow")
    child.inbox.put(Say(2, 1, "", "word", fake_voice("bert")))
    for _ in range(2):
        loop.turn()
    assert limits(child)[-1] == pytest.approx(4 * 60)


def test_a_warm_up_sends_no_sound_and_tells_how_long_a_sentence_takes(
    child: FakeChild,
    speaker: FakeSpeaker,
    loop: SentenceLoop,
    caplog: pytest.LogCaptureFixture,
) -> None:
    speaker.warm_up = [("a fault b", ANNA), ("slow", ANNA)]
    loop.warm_up()
    assert child.sent == []
    assert speaker.closed == ["a fault b", "slow"]
    assert "anna could not be warmed up" in caplog.text
    ask(child, "word")
    loop.turn()
    assert limits(child)[-1] == pytest.approx(4 * 60)
