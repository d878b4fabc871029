"""Voices over HTTP: listed, made of recordings, judged, renamed, taken away; words of a text."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from aiohttp import FormData

from tests.fakes import FakeEngine, fake_voice
from tests.server.http.doors import Doors, doors
from tests.test_mending import speech
from wyoming_csm.config import Limits, PresetConfig
from wyoming_csm.recordings import read_voice
from wyoming_csm.voices import Clip, Voice

WORDS = "To be or not to be."


def recording(seconds: float = 8.0, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, speech(seconds), 24_000, format=kind)
    return file.getvalue()


def form(clip: bytes | None = None, name: str = "a.wav", **fields: str) -> FormData:
    data = FormData(quote_fields=False)  # as browsers send names
    for field, value in fields.items():
        data.add_field(field, value)
    data.add_field("clip", recording() if clip is None else clip, filename=name)
    return data


async def asked(both: Doors, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
    async with both.client.request(method, path, **more) as answer:
        return answer.status, await answer.json()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_voices_say_what_they_are() -> None:
    clip = Clip("/a/clip.wav", WORDS)
    voices = (
        Voice(name="anna", language="en", description="Anna", engine="csm", clips=(clip,)),
        Voice(name="broken", language="en", description="B", engine="csm", fault="no words"),
        Voice(name="speaker_0", language="en", description="S", engine="csm", speaker="0"),
    )
    presets = {"night": PresetConfig(voice="anna")}
    engine = FakeEngine("csm", voices=voices)
    async with doors(engine, presets=presets) as both:
        _, found = await asked(both, "GET", "/api/voices")
    kinds = {one["name"]: one["kind"] for one in found["voices"]}
    assert kinds == {
        "anna": "recorded",
        "broken": "recorded",
        "speaker_0": "engine",
        "night": "preset",
    }
    assert found["voices"][0] == {
        "name": "anna",
        "language": "en",
        "description": "Anna",
        "engine": "csm",
        "kind": "recorded",
        "speakers": [],
        "fault": "",
        "rerolls": False,
    }
    assert [one["name"] for one in found["voices"] if one["rerolls"]] == ["speaker_0"]


@pytest.mark.parametrize("raw", [True, False])
async def test_a_recording_becomes_a_voice(tmp_path: Path, raw: bool) -> None:
    more: dict[str, Any] = {"data": form(text=WORDS, language="de-CH")}
    if raw:
        more = {
            "data": recording(),
            "headers": {"Content-Type": "audio/wav"},
            "params": {"text": WORDS, "language": "de-CH"},
        }
    async with doors(FakeEngine(), voices=str(tmp_path)) as both:
        status, found = await asked(both, "POST", "/api/voices/Zo%C3%AB 2", **more)
        assert both.looked == [""]
    assert (status, found["name"], found["seconds"]) == (201, "Zoë 2", 8.0)
    voice = read_voice(tmp_path / "Zoë 2")
    assert (voice.language, voice.clips[0].text) == ("de-CH", WORDS)
    assert names(tmp_path) == ["Zoë 2"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("speaker_0", {"text": WORDS}, "name of something else"),
        ("..%2Fup", {"text": WORDS}, "use letters, digits, spaces, _ and -, with a letter or a"),
        ("anna", {"text": "  "}, "exactly the words"),
        ("anna", {"text": WORDS, "language": "nonsense!"}, "language"),
        ("anna", {"text": WORDS, "clip": recording(0.3)}, "lasts 0.3 s"),
        ("anna", {"text": WORDS, "clip": b"RIFF"}, "not a recording that can be read"),
        ("anna", {"text": WORDS, "name": "a.webm"}, "convert it to WAV"),
        ("anna", {"text": WORDS, "name": "a.exe"}, "a.exe is not a recording"),
        (
            "anna",
            {"text": WORDS, "clip": b"x", "name": "My bad.MP3"},
            "My bad.mp3 is not a recording",
        ),
        (
            "anna",
            {"text": WORDS, "clip": b"x", "name": "C:\\a/.b\x9b.wav"},
            "b.wav is not a recording",
        ),
        (
            "anna",
            {"text": WORDS, "clip": b"x", "name": "€" * 99 + ".wav"},
            f"{'€' * 40}.wav is not",
        ),
        ("anna", {"text": WORDS, "clip": b"x", "name": ".."}, "clip.wav is not a recording"),
    ],
)
async def test_what_is_no_voice_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str, data: dict[str, Any], words: str
) -> None:
    (tmp_path / "there").mkdir()
    async with doors(FakeEngine(), voices=str(tmp_path)) as both:
        status, found = await asked(both, "POST", f"/api/voices/{name}", data=form(**data))
    assert (status, found["error"]["type"]) == (400, "invalid_request_error")
    assert words in found["error"]["message"]
    assert names(tmp_path) == ["there"]


async def test_a_voice_is_replaced_only_if_asked_for(tmp_path: Path) -> None:
    async with doors(FakeEngine(), voices=str(tmp_path)) as both:
        for replace, expected in (("", 201), ("", 409), ("true", 201)):
            data = form(text=WORDS + replace, replace=replace)
            assert (await asked(both, "POST", "/api/voices/anna", data=data))[0] == expected
    assert read_voice(tmp_path / "anna").clips[0].text == WORDS + "true"


async def test_a_voice_is_renamed_and_taken_away(tmp_path: Path) -> None:
    presets = {"night": PresetConfig(voice="anna")}
    async with doors(FakeEngine(), voices=str(tmp_path), presets=presets) as both:
        await asked(both, "POST", "/api/voices/anna", data=form(text=WORDS))
        body = {"name": "berta"}
        status, found = await asked(both, "POST", "/api/voices/anna/rename", json=body)
        assert (status, found["name"], found["lost_presets"]) == (200, "berta", ["night"])
        assert names(tmp_path) == ["berta"]
        for name, expected in (("speaker_0", 400), ("berta", 409), ("a/b", 400)):
            body = {"name": name}
            status, _ = await asked(both, "POST", "/api/voices/berta/rename", json=body)
            assert status == expected
        assert (await asked(both, "DELETE", "/api/voices/berta"))[0] == 200
        assert names(tmp_path) == []
        assert both.looked == [""] * 3


async def test_a_speaker_without_a_recording_gets_another_voice(tmp_path: Path) -> None:
    clip = Clip("/a/clip.wav", WORDS)
    voices = (
        Voice(
            name="anna", language="en", description="A", engine="csm", speaker="0", clips=(clip,)
        ),
        Voice(name="speaker_1", language="en", description="S", engine="csm", speaker="1"),
    )
    engine = FakeEngine("csm", voices=voices)
    async with doors(engine, data_dir=str(tmp_path / "data")) as both:
        assert (await asked(both, "POST", "/api/voices/speaker_1/reroll"))[0] == 200
        assert names(tmp_path / "data" / "speakers") == ["1.seed"]
        for name in ("anna", "nobody"):
            assert (await asked(both, "POST", f"/api/voices/{name}/reroll"))[0] == 404
        assert names(tmp_path / "data" / "speakers") == ["1.seed"]
    (tmp_path / "file").touch()
    async with doors(engine, data_dir=str(tmp_path / "file")) as both:
        status, found = await asked(both, "POST", "/api/voices/speaker_1/reroll")
    assert (status, "cannot be written" in found["error"]["message"]) == (500, True)


@pytest.mark.parametrize("name", ["nobody", "..", "%2E%2E", "@eaDir"])
async def test_what_is_not_there_is_a_404(tmp_path: Path, name: str) -> None:
    voices = tmp_path / "voices"
    (voices / "@eaDir").mkdir(parents=True)
    async with doors(FakeEngine(), voices=str(voices)) as both:
        path = f"/api/voices/{name}"
        for method, more in (("DELETE", {}), ("POST", {"json": {"name": "b"}})):
            where = path + ("/rename" if more else "")
            status, found = await asked(both, method, where, **more)
            assert status in (404, 405), found
    assert names(voices) == ["@eaDir"]


async def test_a_clip_is_judged_in_words() -> None:
    quiet = io.BytesIO()
    soundfile.write(quiet, speech(8.0) * np.float32(0.01), 24_000, format="WAV")
    async with doors(FakeEngine()) as both:
        status, found = await asked(both, "POST", "/api/clips/judge", data=form())
        assert (status, found["seconds"], found["doubts"]) == (200, 8.0, [])
        _, found = await asked(both, "POST", "/api/clips/judge", data=form(quiet.getvalue()))
        assert any("dB louder" in change for change in found["changes"])
        assert any("very soft" in doubt for doubt in found["doubts"])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"nothing", "multipart/form-data; boundary=x"),
        (b"nothing", "multipart/form-data"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="clip"\r\n\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
async def test_broken_forms_are_refused(body: bytes, kind: str) -> None:
    async with doors(FakeEngine()) as both:
        status, found = await asked(
            both, "POST", "/api/clips/judge", data=body, headers={"Content-Type": kind}
        )
    assert status == 400, found


async def test_an_unknown_kind_is_refused() -> None:
    async with doors(FakeEngine(), limits=Limits()) as both:
        status, found = await asked(
            both, "POST", "/api/clips/judge", data=b"x", headers={"Content-Type": "image/png"}
        )
    assert status == 415
    assert "audio/wav" in found["error"]["message"]


async def test_words_are_those_that_would_be_spoken() -> None:
    engine = FakeEngine(voices=(fake_voice("anna"), fake_voice("berta", "de")))
    async with doors(engine) as both:
        body = {"text": "It is 21.5°C. [pause 2s] Good."}
        _, found = await asked(both, "POST", "/api/words", json=body)
        assert [one["text"] for one in found["sentences"]] == [
            "It is twenty-one point five degrees Celsius.",
            "",
            "Good.",
        ]
        assert found["sentences"][1]["pause"] == 2.0
        assert found["sentences"][0]["changes"][0]["rule"]
        _, found = await asked(both, "POST", "/api/words", json={"text": "5 €", "voice": "berta"})
        assert (found["language"], found["sentences"][0]["text"]) == ("de", "Fünf Euro")
