"""The messages between an engine and its child process, and their framing; both ends import it.

A message is 4 bytes of length (little-endian) and a msgpack body. The child reads standard
input and writes what was its standard output when it started; whatever libraries print goes to
standard error. End of input means: the parent is gone, exit at once.
"""

import struct
from typing import Any, BinaryIO

import msgspec

from wyoming_csm.voices import Clip, Voice

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_LENGTH = struct.Struct("<I")
PREFIX_BYTES = _LENGTH.size


class _Message(msgspec.Struct, frozen=True, tag=True):
    pass


# -- from the engine to the child


class Prepare(_Message, frozen=True):
    """Do what takes time and no GPU; `Configure` follows whenever it is needed."""

    engine: str


class Configure(_Message, frozen=True):
    """Load this engine, with its section of the configuration; comes before all but `Prepare`.

    `voices`: those of an engine that has a model for each. `conversation`, `speakers_dir`: that
    section, and the folder of what its speakers said once, for CSM.
    """

    engine: str
    settings: dict[str, Any]
    data_dir: str
    download_dir: str
    log_level: str = "INFO"
    log_format: str = ""
    voices: tuple[Voice, ...] = ()
    conversation: dict[str, Any] = {}
    speakers_dir: str = ""


class Learn(_Message, frozen=True):
    """Recorded voices that are new, or to be tried again: their clips can be made ready. Once the
    child is ready."""

    voices: tuple[Voice, ...]


class Said(msgspec.Struct, frozen=True):
    """A sentence that a listener got without the child: what it said, and the codes as `Done` has
    them."""

    text: str
    codes: bytes


class Say(_Message, frozen=True):
    """Speak one sentence. `sentence` is new each time; the sentences of one answer share `reply`.
    `client` is an address: the queue is fair between these. `rate`: so many times as fast as usual,
    within the voice's `rates`. `stretch`: the sound is played so many times as fast as it is
    made. `said`: what came before this one in the answer, since the child's last sentence of it."""

    sentence: int
    reply: int
    client: str
    text: str
    voice: Voice
    rate: float = 1.0
    stretch: float = 1.0
    said: tuple[Said, ...] = ()


class Stop(_Message, frozen=True):
    """Drop a sentence: its listener left, or another engine speaks it. There is no answer."""

    sentence: int


class EndReply(_Message, frozen=True):
    """Drop the context of an answer: no more sentences of it will come."""

    reply: int


# -- from the child to the engine


class Starting(_Message, frozen=True):
    """The child is loading still; `detail` is one line for people."""

    detail: str


class Ready(_Message, frozen=True):
    """The child can speak. `detail`: device and precision; `voices`: what only loading told."""

    detail: str
    slots: int
    voices: tuple[Voice, ...] = ()


class Identified(_Message, frozen=True):
    """What this child's sound depends on beside text and voice: the same sentence of another child
    that says the same is as good; "": none is. Said again if it changes; no child need say it.

    `speakers`: for each of its speakers without a clip, by number, the file of what it sounds like.
    """

    identity: str
    speakers: tuple[str, ...] = ()


class Unavailable(_Message, frozen=True):
    """The engine cannot run here; the child exits after this."""

    reason: str
    cure: str
    passing: bool = False
    unsuited: bool = False


class OfSentence(_Message, frozen=True):
    """What is said of one sentence."""

    sentence: int


class Begun(OfSentence, frozen=True):
    """A sentence left the queue: it has a slot. What is made for it is lost if it is stopped."""


class Preparing(OfSentence, frozen=True):
    """A sentence's voice is being prepared, which may take longer than a slot to be given."""


class Late(OfSentence, frozen=True):
    """A sentence waits for a slot beyond all patience, and waits on. It is said once: another
    engine may be quicker, and `Stop` takes the sentence away."""


class Audio(OfSentence, frozen=True):
    """A chunk of a sentence's sound: 24 kHz mono s16le."""

    pcm: bytes


class Done(OfSentence, frozen=True):
    """A sentence's last sound was sent. `seconds`: what its computing took, without its waiting.
    `whole`: it is worth to be heard again: it ended by itself, in a voice that stays. `codes`: its
    frames, where later sentences take after them: int16, little-endian, [frames, codebooks]."""

    seconds: float
    whole: bool = False
    codes: bytes = b""


class Failed(OfSentence, frozen=True):
    """A sentence failed; the child goes on."""

    reason: str


class Prepared(_Message, frozen=True):
    """A voice's clip was made ready; or it cannot be used, for this reason."""

    clip: Clip
    fault: str = ""


class Heartbeat(_Message, frozen=True):
    """The process runs: each second, from a thread of its own, also while it loads or computes."""


class GpuMemory(msgspec.Struct, frozen=True):
    """The bytes of a GPU that a child took, without the driver's own part, and all that it has."""

    taken: int
    total: int


class Working(_Message, frozen=True):
    """The working loop of a child that is ready goes round: at least once a second between
    computations. Until it says another, each of its messages follows the one before within
    `limit_seconds`, or it hangs. `memory`: of its GPU; None: it has none."""

    limit_seconds: float
    memory: GpuMemory | None = None


ToChild = Prepare | Configure | Learn | Say | Stop | EndReply
_FromChild = Starting | Ready | Identified | Unavailable | Prepared | Heartbeat | Working
FromChild = _FromChild | Begun | Preparing | Late | Audio | Done | Failed

_ENCODER = msgspec.msgpack.Encoder()
_TO_CHILD: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
_FROM_CHILD: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)


def decode_to_child(body: bytes) -> ToChild:
    """Read a body. Raises msgspec.DecodeError."""
    try:
        return _TO_CHILD.decode(body)
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deep") from error


def decode_from_child(body: bytes) -> FromChild:
    """Read a body. Raises msgspec.DecodeError."""
    try:
        return _FROM_CHILD.decode(body)
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deep") from error


def encode(message: ToChild | FromChild) -> bytes:
    """The message with its length before it."""
    body = _ENCODER.encode(message)
    return _LENGTH.pack(len(body)) + body


def body_length(prefix: bytes) -> int:
    """Read the 4 bytes before a body. Raises ValueError over MAX_MESSAGE_BYTES."""
    (length,) = _LENGTH.unpack(prefix)
    if length > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {length} bytes: something else wrote to the pipe")
    return int(length)


def read_to_child(pipe: BinaryIO) -> ToChild | None:
    """The child's blocking read; None at the end of input."""
    prefix = pipe.read(PREFIX_BYTES)
    if len(prefix) < PREFIX_BYTES:
        return None
    length = body_length(prefix)
    body = pipe.read(length)
    return decode_to_child(body) if len(body) == length else None
