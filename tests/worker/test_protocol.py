"""The pipe's messages and their framing."""

import io

import msgspec
import pytest

from tests.fakes import fake_voice
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.protocol import (
    MAX_MESSAGE_BYTES,
    PREFIX_BYTES,
    Audio,
    Begun,
    Configure,
    Done,
    EndReply,
    Failed,
    FromChild,
    GpuMemory,
    Heartbeat,
    Identified,
    Late,
    Learn,
    Prepare,
    Prepared,
    Preparing,
    Ready,
    Said,
    Say,
    Starting,
    Stop,
    ToChild,
    Unavailable,
    Working,
    body_length,
    decode_from_child,
    encode,
    read_to_child,
)

CLIPS = (Clip("/voices/anna/clip.wav", "Schöne Grüße."),)
ANNA = Voice(name="anna", language="de", description="", engine="csm", speaker="1", clips=CLIPS)

TO_CHILD: list[ToChild] = [
    Prepare("csm"),
    Configure("csm", {"seed": 2**63 - 1, "top_k": None, "models": {"en": "x"}}, "data", "models"),
    Learn((ANNA, fake_voice("dora"))),
    Say(1, 2, "192.0.2.7", "Guten Tag. 👋", ANNA),
    Say(1, 2, "192.0.2.7", "Guten Tag.", ANNA, 0.75, 2.0),
    Say(1, 2, "", "Hallo.", ANNA, 1.0, 1.0, (Said("Guten Tag.", bytes(64)),)),
    Stop(1),
    EndReply(2),
]
FROM_CHILD: list[FromChild] = [
    Starting("loading"),
    Ready("cpu, float32", 4, (fake_voice("dora"),)),
    Unavailable("no GPU", "put one in"),
    Audio(2**40, bytes(range(256))),
    Begun(1),
    Late(2),
    Preparing(2),
    Done(1, 0.25),
    Done(1, 0.25, True, bytes(64)),
    Identified("abc", ("data/speakers/abc-0.json",)),
    Failed(1, "too long"),
    Prepared(CLIPS[0], "it is silent"),
    Heartbeat(),
    Working(15.0),
    Working(15.0, GpuMemory(5_200_000_000, 24_000_000_000)),
]


@pytest.mark.parametrize("message", TO_CHILD, ids=lambda message: type(message).__name__)
def test_to_the_child(message: ToChild) -> None:
    pipe = io.BytesIO(encode(message) + encode(Stop(9)))
    assert read_to_child(pipe) == message
    assert read_to_child(pipe) == Stop(9)
    assert read_to_child(pipe) is None


@pytest.mark.parametrize("message", FROM_CHILD, ids=lambda message: type(message).__name__)
def test_from_the_child(message: FromChild) -> None:
    framed = encode(message)
    body = framed[PREFIX_BYTES:]
    assert body_length(framed[:PREFIX_BYTES]) == len(body)
    assert decode_from_child(body) == message


def test_a_message_cut_short_is_the_end() -> None:
    framed = encode(Stop(1))
    for length in range(len(framed)):
        assert read_to_child(io.BytesIO(framed[:length])) is None


def test_a_length_over_the_limit_is_refused() -> None:
    assert body_length(MAX_MESSAGE_BYTES.to_bytes(4, "little")) == MAX_MESSAGE_BYTES
    with pytest.raises(ValueError, match="something else wrote to the pipe"):
        body_length((MAX_MESSAGE_BYTES + 1).to_bytes(4, "little"))


@pytest.mark.parametrize("body", [b"", b"hello", msgspec.msgpack.encode({"type": "Nobody"})])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_from_child(body)
