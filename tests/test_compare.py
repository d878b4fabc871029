"""`wyoming-csm compare`: what is told of replicas that differ, by real servers."""

import asyncio
import json
import re
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import port_of, serving
from wyoming_csm import __version__
from wyoming_csm.__main__ import main
from wyoming_csm.app import App
from wyoming_csm.compare import ANSWERS, SPEAKS, ask, ask_all, differences
from wyoming_csm.config import (
    BalancerConfig,
    Config,
    CsmConfig,
    PresetConfig,
    ReadingConfig,
    SoundConfig,
)
from wyoming_csm.engines.base import Phase
from wyoming_csm.errors import RequestError
from wyoming_csm.voices import Clip, Manner
from wyoming_csm.worker.protocol import Identified

ANNA, BOB = fake_voice("anna"), fake_voice("bob", "de")


async def told(*engines: FakeEngine) -> dict[str, list[str]]:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(engine)) for engine in engines]
        return differences(await ask_all([f"tcp://127.0.0.1:{port_of(s)}" for s in servers]))


async def test_replicas_are_the_same() -> None:
    assert await told(*(FakeEngine(voices=(ANNA, BOB)) for _ in range(3))) == {}


async def test_another_order_is_told_once() -> None:
    carl = fake_voice("carl")
    one, other = FakeEngine(voices=(ANNA, BOB, carl)), FakeEngine(voices=(ANNA, carl, BOB))
    assert await told(one, other) == {"place 2 in the list": ["bob", "carl"]}


async def test_a_voice_that_is_missing_is_told() -> None:
    found = await told(FakeEngine(voices=(ANNA, BOB)), FakeEngine(voices=(ANNA,)))
    assert found.pop("place 2 in the list") == ["bob", "-"]
    ((name, values),) = found.items()
    assert name == "voice bob"
    assert values[0].startswith("Bob; de")
    assert values[1] == "-"


async def test_languages_and_words_are_told() -> None:
    found = await told(FakeEngine(voices=(BOB,)), FakeEngine(voices=(fake_voice("bob", "nl"),)))
    assert list(found) == ["voice bob"]
    assert ["; de;" in v for v in found["voice bob"]] == [True, False]


async def test_other_recordings_and_presets_are_told() -> None:
    clip = Clip("/here/clip.wav", "One is.", "1", "c0ffee")
    anna = replace(ANNA, clips=(clip,))
    elsewhere = replace(ANNA, clips=(replace(clip, path="/there/clip.wav", version="2"),))
    assert await told(FakeEngine(voices=(anna,)), FakeEngine(voices=(elsewhere,))) == {}
    for other in (
        replace(ANNA, clips=(replace(clip, content="0ddba11"),)),
        replace(ANNA, clips=(replace(clip, text="Two is."),)),
        replace(anna, manner=Manner(gain=3.0)),
        ANNA,
    ):
        found = await told(FakeEngine(voices=(anna,)), FakeEngine(voices=(other,)))
        assert list(found) == ["voice anna"]
        version = re.escape(__version__)
        assert re.search(rf"; {version}\+[0-9a-f]{{8}};", found["voice anna"][0])


async def test_another_sound_of_a_speaker_without_a_clip_is_told(tmp_path: Path) -> None:
    said: list[str | None] = ["a calm sentence", "a calm sentence", "another one", None]
    voices = (
        replace(ANNA, clips=(Clip("/here/clip.wav", "One is."),)),
        replace(BOB, fault="no words"),
        replace(fake_voice("speaker_0"), speaker="0"),
    )
    async with AsyncExitStack() as stack:
        uris, apps = [], []
        for number, content in enumerate(said):
            file = tmp_path / f"{number}.json"
            if content is not None:
                file.write_text(content)
            engine = FakeEngine("csm", voices=voices)
            engine.identity = Identified("", (str(file),))
            apps.append(App(Config(data_dir=str(tmp_path)), lambda *_, one=engine: of_csm(one)))
            await apps[-1].look_at_voices()
            server = await stack.enter_async_context(serving(apps[-1].engine))
            uris.append(f"tcp://127.0.0.1:{port_of(server)}")
        one, alike, other, none = await ask_all(uris)
        (tmp_path / "0.json").write_text("another one")
        await apps[0].look_at_voices()
        assert differences([await ask(uris[0]), other]) == {}, "it was made anew"
    assert differences([one, alike, none]) == {}
    assert [name for name in one if name.startswith("sound of ")] == ["sound of speaker_0"]
    unequal = differences([one, other])
    assert list(unequal) == ["sound of speaker_0"]
    assert all(re.fullmatch("[0-9a-f]{8}", mark) for mark in unequal["sound of speaker_0"])


def of_csm(engine: FakeEngine) -> dict[str, list[Any]]:
    return {"csm": [engine], "coqui": [FakeEngine("coqui")], "system": [FakeEngine("system")]}


async def heard(folder: Path, *settings: dict[str, Any]) -> dict[str, list[str]]:
    """What is told of servers that have the same voice and these settings."""
    async with AsyncExitStack() as stack:
        uris = []
        for number, more in enumerate(settings):
            own: dict[str, Any] = {
                "lexicon": str(folder / f"{number}.yaml"),
                "voices": str(folder / str(number)),
            }
            server = await stack.enter_async_context(
                serving(FakeEngine(voices=(ANNA,)), **own, **more)
            )
            uris.append(f"tcp://127.0.0.1:{port_of(server)}")
        return differences(await ask_all(uris))


async def test_other_words_are_told(tmp_path: Path) -> None:
    (tmp_path / "1/anna").mkdir(parents=True)
    assert await heard(tmp_path, {}, {}) == {}
    for file in ("1.yaml", "1/anna/lexicon.yaml"):
        (tmp_path / file).write_text("Wi-Fi: why fie")
        assert list(await heard(tmp_path, {}, {})) == ["lexicons"]
        (tmp_path / file).unlink()
    for number in (0, 1):
        (tmp_path / f"{number}.yaml").write_text("Wi-Fi: why fie")
    assert await heard(tmp_path, {}, {}) == {}


@pytest.mark.parametrize(
    "other",
    [
        {"sound": SoundConfig(loudness=-16)},
        {"csm": CsmConfig(seed=2)},
        {"reading": ReadingConfig(emoji="named")},
        {"presets": {"night": PresetConfig(voice="anna", lexicon={"one": "two"})}},
    ],
)
async def test_settings_that_are_heard_are_told(other: dict[str, Any], tmp_path: Path) -> None:
    found = await heard(tmp_path, {"sound": SoundConfig()}, {"sound": SoundConfig()} | other)
    assert list(found)[:1] == ["settings that are heard"]
    assert found["settings that are heard"][0] == "as by default"


async def test_settings_of_the_machine_are_not_told(tmp_path: Path) -> None:
    csm = CsmConfig(device="cpu", slots=8, dtype="int8", checkpoint="/here/csm")
    assert await heard(tmp_path, {}, {"csm": csm, "language": "de"}) == {}


async def test_another_card_is_told_and_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    engines = FakeEngine(voices=(ANNA,)), FakeEngine(voices=(ANNA,))
    engines[1].become(Phase.READY, "another card")
    async with serving(engines[0]) as one, serving(engines[1]) as other:
        uris = [f"tcp://127.0.0.1:{port_of(server)}" for server in (one, other)]
        assert list(differences(await ask_all(uris))) == [SPEAKS]
        assert await asyncio.to_thread(main, ["compare", *uris]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert await asyncio.to_thread(main, ["compare", *uris, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
    assert uris[0] in lines[0]
    assert "another card" in lines[1]
    assert lines[-1] == "All 2 list the same voices, 1 of them"
    assert document["same"] is True
    assert document["servers"] == uris


async def test_differences_are_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    async with (
        serving(FakeEngine(voices=(ANNA,))) as one,
        serving(FakeEngine(voices=(BOB,))) as other,
    ):
        uris = [f"tcp://127.0.0.1:{port_of(server)}" for server in (one, other)]
        assert await asyncio.to_thread(main, ["compare", *uris]) == 1
        assert capsys.readouterr().out.splitlines()[-1] == "They differ, as said above"
        assert await asyncio.to_thread(main, ["compare", *uris, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["same"] is False
    assert document["differences"]["place 1 in the list"] == ["anna", "bob"]


async def test_one_that_does_not_answer_is_told_beside_how_the_others_differ() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        async with (
            serving(FakeEngine(voices=(ANNA,))) as one,
            serving(FakeEngine(voices=(BOB,))) as other,
        ):
            anna, bob = (f"tcp://127.0.0.1:{port_of(server)}" for server in (one, other))
            alike = differences(await ask_all([anna, nobody, anna]))
            found = differences(await ask_all([anna, nobody, bob]))
        none = differences(await ask_all([nobody, nobody]))
    assert list(alike) == list(none) == [ANSWERS]
    assert [why[:4] for why in alike[ANSWERS]] == ["yes", "no: ", "yes"]
    assert found[ANSWERS] == alike[ANSWERS]
    assert found["place 1 in the list"] == ["anna", "-", "bob"]


def test_one_alone_is_compared_with_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["compare", "tcp://gpu1:10200"])
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert "wyoming-csm compare URI URI..." in told
    assert "required: URI" in told


async def test_a_replica_that_takes_who_asks_for_a_balancer_is_asked_as_by_one() -> None:
    behind = BalancerConfig(proxies=("127.0.0.1",))
    async with (
        serving(FakeEngine(voices=(ANNA,)), balancer=behind) as one,
        serving(FakeEngine(voices=(BOB,))) as other,
    ):
        found = await ask_all([f"tcp://127.0.0.1:{port_of(server)}" for server in (one, other)])
    assert [facts[ANSWERS] for facts in found] == ["yes", "yes"]
    assert differences(found)["place 1 in the list"] == ["anna", "bob"]


async def test_one_that_ends_each_connection_is_told_with_what_it_did_first() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await ask(f"tcp://127.0.0.1:{port}")
    assert found[ANSWERS].startswith("no: it ended the connection")
    assert [line[:1] for line in asked] == [b"{", b"\r"], "once more, as by a balancer"


async def test_something_else_is_no_wyoming_server() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await ask(f"tcp://127.0.0.1:{port}")
    assert found[ANSWERS].startswith("no: ")


async def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(RequestError, match="is not like tcp://"):
        await ask("gpu1:10200")
