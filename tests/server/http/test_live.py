"""The WebSocket: text in pieces, sound as it is made, and what goes wrong."""

import json
from typing import Any

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import eventually
from tests.server.http.doors import doors
from wyoming_csm.config import Limits
from wyoming_csm.engines.base import Sentence

FRAMES = b"".join(map(frame, range(3)))


async def answer_of(live: ClientWebSocketResponse) -> tuple[list[dict[str, Any]], bytes]:
    """The messages up to an end or an error, and the sound between them."""
    said: list[dict[str, Any]] = []
    sound = b""
    while not said or said[-1]["type"] == "start":
        message = await live.receive(timeout=20)
        if message.type is WSMsgType.BINARY:
            sound += message.data
        else:
            assert message.type is WSMsgType.TEXT, message
            said.append(json.loads(message.data))
    return said, sound


async def test_pieces_become_sound_before_the_text_ends() -> None:
    engine = FakeEngine(frames=3, voices=(fake_voice("anna"), fake_voice("berta")))
    async with doors(engine) as both, both.client.ws_connect("/api/stream") as live:
        await live.send_json({"type": "start", "voice": "berta"})
        for piece in ("One i", "s. Tw"):
            await live.send_json({"type": "text", "text": piece})
        await eventually(lambda: engine.finished == ["One is."])
        await live.send_json({"type": "text", "text": "o is. Three is."})
        await live.send_json({"type": "end"})
        said, sound = await answer_of(live)
    form = {"sample_rate": 24_000, "width": 2, "channels": 1}
    assert said[0] == {"type": "start", "voice": "berta", "warnings": [], **form}
    assert said[1] == {"type": "end", "duration": 0.72}
    assert sound == FRAMES * 3
    assert engine.finished == ["One is.", "Two is.", "Three is."]


async def test_texts_follow_each_other() -> None:
    engine = FakeEngine(frames=3)
    async with doors(engine) as both, both.client.ws_connect("/api/stream") as live:
        for text in ("One is.", "Two is."):
            await live.send_json({"type": "text", "text": text})
            await live.send_json({"type": "end"})
        assert (await answer_of(live))[1] == (await answer_of(live))[1] == FRAMES
    assert engine.asked == ["One is.", "Two is."]


async def test_leaving_stops_the_speech() -> None:
    engine = FakeEngine(frames=1_000, frame_seconds=0.01)
    async with doors(engine) as both:
        async with both.client.ws_connect("/api/stream") as live:
            await live.send_json({"type": "text", "text": "One is. And"})
            await live.receive()
            await live.receive()
        await eventually(lambda: engine.cancelled == ["One is."])


async def test_an_engine_that_fails_is_told_and_the_next_text_is_spoken() -> None:
    engine = FakeEngine(frames=3, fail_after=2)
    async with doors(engine) as both, both.client.ws_connect("/api/stream") as live:
        for _ in range(2):
            await live.send_json({"type": "text", "text": "One is."})
            await live.send_json({"type": "end"})
            said, _ = await answer_of(live)
            engine.fail_after = None
            if said[-1]["type"] == "error":
                assert "fake was told to fail" in said[-1]["error"]["message"]
        assert said[-1]["type"] == "end"


async def test_an_error_that_nobody_foresaw_is_told() -> None:
    class Broken(FakeEngine):
        def say(self, sentence: Sentence) -> None:
            raise KeyError("a bug")

    async with doors(Broken()) as both, both.client.ws_connect("/api/stream") as live:
        await live.send_json({"type": "text", "text": "One is."})
        await live.send_json({"type": "end"})
        said, _ = await answer_of(live)
        assert said[-1]["error"]["message"] == "internal error: the server's log says more"
        assert (await live.receive(timeout=20)).data == WSCloseCode.INTERNAL_ERROR


async def test_a_text_that_nobody_goes_on_with_is_spoken_as_far_as_it_goes() -> None:
    engine = FakeEngine(frames=3)
    async with (
        doors(engine, limits=Limits(idle_seconds=0.1)) as both,
        both.client.ws_connect("/api/stream") as live,
    ):
        await live.send_json({"type": "text", "text": "One is. And two"})
        said, sound = await answer_of(live)
        assert (said[-1]["type"], sound) == ("end", FRAMES * 2)
        assert (await live.receive(timeout=20)).type is WSMsgType.CLOSE
    assert engine.finished == ["One is.", "And two"]


async def test_what_is_no_message_is_told_and_ends_it() -> None:
    for sent in ("{", '{"type": "nothing"}', '{"type": "text"}', '{"type": "text", "text": 5}'):
        async with doors(FakeEngine()) as both, both.client.ws_connect("/api/stream") as live:
            await live.send_str(sent)
            said, _ = await answer_of(live)
            assert said[0]["error"]["type"] == "invalid_request_error"
            assert (await live.receive()).type is WSMsgType.CLOSE


async def test_binary_messages_are_refused() -> None:
    async with doors(FakeEngine()) as both, both.client.ws_connect("/api/stream") as live:
        await live.send_bytes(b"hello")
        assert "send JSON as text" in (await answer_of(live))[0][0]["error"]["message"]


async def test_a_flood_of_texts_is_refused() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    limits = Limits(waiting_requests=2)
    async with (
        doors(engine, limits=limits) as both,
        both.client.ws_connect("/api/stream") as live,
    ):
        for _ in range(5):
            await live.send_json({"type": "text", "text": "One is."})
            await live.send_json({"type": "end"})
        said, _ = await answer_of(live)
    assert said[-1]["error"]["message"] == "more than 2 texts are waiting"


async def test_a_message_that_is_too_long_ends_it() -> None:
    limits = Limits(data_bytes=1_000)
    async with (
        doors(FakeEngine(), limits=limits) as both,
        both.client.ws_connect("/api/stream") as live,
    ):
        await live.send_json({"type": "text", "text": "a" * 1_000})
        message = await live.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.MESSAGE_TOO_BIG)


async def test_one_who_says_nothing_is_not_kept() -> None:
    limits = Limits(idle_seconds=0.1)
    async with (
        doors(FakeEngine(), limits=limits) as both,
        both.client.ws_connect("/api/stream") as live,
    ):
        assert (await live.receive(timeout=20)).type is WSMsgType.CLOSE


async def test_one_in_which_nobody_speaks_makes_room() -> None:
    engine = FakeEngine()
    async with (
        doors(engine, limits=Limits(connections=1)) as both,
        both.client.ws_connect("/api/stream") as live,
    ):
        engine.hold.clear()
        await live.send_json({"type": "text", "text": "One is."})
        await live.send_json({"type": "end"})
        await eventually(lambda: engine.speaking == 1)
        async with both.client.get("/api/voices") as answer:
            assert answer.status == 503
        engine.hold.set()
        await answer_of(live)
        async with both.client.get("/api/voices") as answer:
            assert answer.status == 200
        message = await live.receive(timeout=20)
        assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.GOING_AWAY)


async def test_without_a_websocket_it_is_refused() -> None:
    async with doors(FakeEngine()) as both, both.client.get("/api/stream") as answer:
        assert answer.status == 400
        assert "error" in await answer.json()


async def test_a_text_that_is_cut_is_warned_of_once() -> None:
    engine = FakeEngine(frames=1)
    limits = Limits(text_characters=20)
    async with doors(engine, limits=limits) as both, both.client.ws_connect("/api/stream") as live:
        for _ in range(2):
            await live.send_json({"type": "text", "text": "One is. Two is. Three is. "})
        await live.send_json({"type": "end"})
        said: list[dict[str, Any]] = []
        while not said or said[-1]["type"] != "end":
            message = await live.receive(timeout=20)
            if message.type is WSMsgType.TEXT:
                said.append(json.loads(message.data))
    (warning,) = [one for one in said if one["type"] == "warning"]
    assert warning["message"].startswith("the text is longer than 20 characters")
    assert engine.asked == ["One is.", "Two is."]


async def test_a_plain_request_is_told_what_the_address_wants() -> None:
    async with doors(FakeEngine()) as both, both.client.get("/api/stream") as answer:
        assert answer.status == 400
        assert "is for a WebSocket" in (await answer.json())["error"]["message"]
