"""What reads bytes from outside: each with good examples, and the errors that it answers with."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import msgspec

from tests.fuzz.mutation import Mutation, any_json, any_object, as_json
from tests.server.test_reference import PASSED_OVER
from tests.server.test_wire import HOSTILE
from tests.text.test_hostile import UNITS
from tests.worker.test_protocol import FROM_CHILD, TO_CHILD
from wyoming_csm.answer import SLICE
from wyoming_csm.config import Config, Limits, parse
from wyoming_csm.documents import DocumentError, parse_document
from wyoming_csm.errors import ConfigError, ProtocolError, RequestError
from wyoming_csm.server.requests import RequestReader
from wyoming_csm.server.wire import read_event
from wyoming_csm.text.lexicon import Lexicon, read_entries, replacements
from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.spoken import spoken
from wyoming_csm.worker.protocol import (
    PREFIX_BYTES,
    body_length,
    decode_from_child,
    encode,
    read_to_child,
)

# One that is read in steps, between which others have their turn, returns the longest's seconds.
Read = Callable[[bytes], Awaitable[float | None]]
Plain = Callable[[bytes], None]
LIMITS = Limits()


@dataclass(frozen=True)
class Target:
    """A reader. `allowed` are its own errors; `most_ms` is what one input may take of a processor,
    or one step of it; `share`: inputs for each event on the wire; `native`: code that could end the
    whole process."""

    name: str
    reading: Callable[[], AbstractAsyncContextManager[Read]]
    seeds: Sequence[bytes]
    allowed: tuple[type[Exception], ...]
    words: Sequence[bytes] = ()
    make: Callable[[Random], bytes] | None = None  # else of the seeds alone
    most_bytes: int = 65_536
    most_ms: float = 50.0
    share: float = 0.1
    native: bool = False

    def maker(self) -> Callable[[Random], bytes]:
        """Return what makes its inputs."""
        mutation = Mutation(self.seeds, self.words)

        def make(random: Random) -> bytes:
            if self.make is not None and random.random() < 0.5:
                return self.make(random)[: self.most_bytes]
            return mutation.make(random, self.most_bytes)

        return make


@asynccontextmanager
async def in_loop(reading: Callable[[], AbstractContextManager[Plain]]) -> AsyncIterator[Read]:
    """Turn what reads without waiting into what a target has."""
    with reading() as plain:

        async def read(data: bytes) -> None:
            plain(data)

        yield read


def plainly(read: Plain) -> Callable[[], AbstractAsyncContextManager[Read]]:
    """Return the reading of a function alone."""
    return lambda: in_loop(lambda: nullcontext(read))


def line(**header: object) -> bytes:
    return as_json(header) + b"\n"


# -- the wire

KINDS = (
    "synthesize",
    "synthesize-start",
    "synthesize-chunk",
    "synthesize-stop",
    "describe",
    "ping",
)
_EVENTS = (
    line(type="describe"),
    line(type="ping", data={"text": "x"}),
    line(type="synthesize", data={"text": "Hello.", "voice": {"name": "anna", "language": "de"}}),
    line(type="synthesize-start", data={"voice": None})
    + line(type="synthesize-chunk", data={"text": "One. "})
    + line(type="synthesize-stop"),
    line(type="audio-chunk", data={"rate": 24_000}, payload_length=4) + b"abcd",
    line(type="synthesize", data_length=15) + b'{"text":"Two."}',
)
_WORDS = (b'"type":', b'"data":', b'"data_length":', b'"payload_length":', b'"text":', b"\n", b",")


def any_event(random: Random) -> bytes:
    """One event, mostly well-formed: any header, its data and its payload."""
    header = any_object(random, KINDS) if random.random() < 0.1 else {}
    header["type"] = random.choice(KINDS) if random.random() < 0.9 else any_json(random)
    body, payload = b"", random.randbytes(random.choice((0, 0, 0, 4, 900)))
    names = ("text", "voice", "text_format", "language", "speaker", "a")
    if random.random() < 0.6:
        header["data"] = any_object(random, names) if random.random() < 0.9 else any_json(random)
    if random.random() < 0.4:
        text = as_json(any_object(random, names)).decode(errors="surrogatepass")
        body = text.encode(random.choice(("utf-8", "utf-8", "utf-16-le", "utf-32")), "replace")
        header["data_length"] = _near(random, len(body))
    if payload:
        header["payload_length"] = _near(random, len(payload))
    return as_json(header) + b"\n" + body + payload


def _near(random: Random, length: int) -> object:
    """Return a length that is mostly right."""
    return length if random.random() < 0.8 else any_json(random)


@asynccontextmanager
async def wire() -> AsyncIterator[Read]:
    """Events are read and taken as a connection does."""

    async def read(data: bytes) -> None:
        reader = asyncio.StreamReader(limit=LIMITS.header_bytes)
        reader.feed_data(data)
        reader.feed_eof()
        requests = RequestReader(LIMITS, lambda _: None, lambda _: None)
        while (event := await read_event(reader, LIMITS)) is not None:
            requests.take(event)

    yield read


# -- the pipe between server and children


def framed(random: Random, data: bytes) -> bytes:
    """Let the length before a message be mostly the right one."""
    body = data[PREFIX_BYTES:]
    right = len(body).to_bytes(PREFIX_BYTES, "little")
    return (right if random.random() < 0.8 else data[:PREFIX_BYTES]) + body


def any_message(random: Random) -> bytes:
    """A message with any contents under the right names."""
    example = random.choice([*TO_CHILD, *FROM_CHILD])
    fields = (*example.__struct_fields__, "more")
    message = {"type": type(example).__name__, **msgspec.to_builtins(example)}
    with suppress(ValueError, OverflowError):  # what msgpack has no form for
        return framed(
            random, bytes(4) + msgspec.msgpack.encode(message | any_object(random, fields))
        )
    return encode(example)


_BEGUN = b"\x82\xa4type\xa5Begun\xa4more" + b"\x91" * 30_000  # a field nobody knows, nested
_DEEP = [len(_BEGUN).to_bytes(PREFIX_BYTES, "little") + _BEGUN]


def pipe(data: bytes) -> None:
    """Both ends read it."""
    stream, end = io.BytesIO(data), io.BytesIO(data)
    errors = (ValueError, msgspec.DecodeError)
    with suppress(*errors):
        while read_to_child(stream) is not None:
            pass
    while len(prefix := end.read(PREFIX_BYTES)) == PREFIX_BYTES:
        decode_from_child(end.read(body_length(prefix)))


# -- texts


@asynccontextmanager
async def texts() -> AsyncIterator[Read]:
    """A text, plain and SSML, becomes the words that are read aloud, in an answer's steps: it is
    cut in slices, and each sentence is worded when it is asked for. All of it takes as long as it
    has characters, 20 µs for each of the dearest."""

    async def read(data: bytes) -> float:
        try:
            written = data.decode(errors="surrogatepass")
        except UnicodeDecodeError:
            written = data.decode(errors="replace")
        reader = TextReader(("en", "de", "fr", "")[len(data) % 4], ssml=len(data) % 2 == 0)
        times = [time.process_time()]
        for at in range(0, len(written) + SLICE, SLICE):
            more = written[at : at + SLICE]
            pieces = reader.push(more) if more else reader.finish()
            times.append(time.process_time())
            for piece in pieces:
                if isinstance(piece, Speak):
                    spoken(piece.text, "de" if len(data) % 3 else "en")
                    times.append(time.process_time())
        return max(end - begin for begin, end in pairwise(times))

    yield read


_UNITS = [unit.encode(errors="surrogatepass") for unit in UNITS]
_TEXTS = (
    "On 24.12.2026 at 18:30 it's -3 °C, 1,234.50 € (≈ $1.3k); see https://a.example/x?y#z.".encode(),
    b'<speak>Hi <break time="500ms"/><prosody rate="slow" volume="+6dB">slow <sub alias="W">x</sub>'
    b'</prosody><say-as interpret-as="date" format="dmy">1.2.2026</say-as></speak>',
    b"# T\n\n- a\n- b\n\n1. **c** [d](http://e.f)\n\n| a | b |\n|--|--|\n```py\nx\n```\n"
    b"<think>n</think>",
    '<speak xml:lang="de"><voice name="a">ß</voice><p><s>Über 3½ kg</s></p></speak>'.encode(),
)


# -- settings and words


def any_settings(random: Random) -> bytes:
    """Settings of any values under the right names, most sections with the right names in them."""
    usual, found = Config(), {}
    for name in random.sample(Config.__struct_fields__, 3):
        inner = getattr(getattr(usual, name), "__struct_fields__", ())
        is_section = inner and random.random() < 0.8
        found[name] = any_object(random, inner) if is_section else any_json(random)
    return as_json(found)


def configuration(data: bytes) -> None:
    """A file of settings, YAML or JSON."""
    parse(parse_document(data.decode(errors="replace")), lambda _: None)


def lexicon(data: bytes) -> None:
    """A file of words, and a text that is looked up in it."""
    found = read_entries(parse_document(data.decode(errors="replace")))
    replacements("Wi-Fi of Ann's Straße, 5 km.", [Lexicon(found)])


_SETTINGS = (
    b"uri: tcp://0.0.0.0:10200\nvoice: anna\ncsm:\n  device: [cuda:0, cuda:1]\n  slots: 4\n",
    b"limits: {networks: [local, 192.168.1.0/24], connections: 9}\nhttp: {address: '[::]:8002'}\n",
    b"presets:\n  night: &a {voice: anna, gain: -6, lexicon: {'no': know}}\n  b: {<<: *a}\n",
    b"balancer: {agent: 0.0.0.0:10201, proxies: [10.0.0.0/8, 'fd00::1'], drain_seconds: 3}\n"
    b"discovery: {name: Anna, address: '192.168.1.10:10200'}\ncache: {characters: 0}\n",
    b'{"engines": ["system"], "log": {"level": "debug"}, "sound": {"loudness": null}}',
)

TARGETS = (
    Target(
        "wire", wire, [*_EVENTS, *PASSED_OVER.values(), *(d[:4_000] for d in HOSTILE.values())],
        (ProtocolError, RequestError), _WORDS, any_event, share=1.0,
    ),
    Target(
        "pipe", plainly(pipe), [encode(one) for one in (*TO_CHILD, *FROM_CHILD)] + _DEEP,
        (ValueError, msgspec.DecodeError), make=any_message, share=0.5,
    ),
    Target(
        "text", texts, [*_TEXTS, *(unit * 9 for unit in _UNITS)], (RequestError,), _UNITS,
        most_bytes=4_000,
    ),
    Target(
        "configuration", plainly(configuration), _SETTINGS, (DocumentError, ConfigError),
        (b"!!python/object/apply:os.system ['x']", b"!!binary ", b"*a", b"&a ", b"? ", b"|\n"),
        any_settings, most_bytes=2_000, share=0.05,
    ),
    Target(
        "lexicon", plainly(lexicon),
        (b"Wi-Fi: why fie\nkm: kilometres\n", b'{"Ann": "Anne", "a b": "c"}'),
        (DocumentError, ConfigError), (b": ", b"\n", b"'"), most_bytes=2_000,
        share=0.05,
    ),
)  # fmt: skip
