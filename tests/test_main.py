"""The command as a user runs it: a process, its exit code, its sound."""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeVoice

from benchmarks.server import free_port
from wyoming_csm import __version__
from wyoming_csm.config import parse
from wyoming_csm.say import speak_into

_OLD_AUDIOOP = "ignore::DeprecationWarning:wyoming.audio"  # the library's, before Python 3.13
COMMAND = (sys.executable, "-W", "error", "-W", _OLD_AUDIOOP, "-m", "wyoming_csm")
SYSTEM_ONLY = {"engines": ["system"], "discovery": {"enabled": False}}


def run(
    folder: Path, *words: str, settings: object = SYSTEM_ONLY, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    (folder / "settings.json").write_text(json.dumps(settings))
    command = [*COMMAND, *words, "--config", "settings.json"]
    return subprocess.run(
        command, cwd=folder, input=given, capture_output=True, timeout=60, check=False
    )


def seconds_of(wav: bytes) -> float:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(pcm).max() > 1_000, "that is silence"
    return len(pcm) / 24_000


def test_version() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


def test_say_into_a_file(tmp_path: Path) -> None:
    done = run(tmp_path, "say", "The front door is open.", "-o", "said.wav")
    assert done.returncode == 0, done.stderr
    assert 1 < seconds_of((tmp_path / "said.wav").read_bytes()) < 4
    assert b"s of sound" in done.stderr
    assert done.stdout == b""


async def test_what_loads_for_long_is_told_and_its_end_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = parse(SYSTEM_ONLY | {"data_dir": str(tmp_path)})
    await speak_into(config, lambda _: "Hi.", str(tmp_path / "said.wav"), quiet_seconds=0.0)
    told = capsys.readouterr().err
    assert told.startswith("system is loading\n")
    assert "s of sound in" in told
    assert "stopped" not in told


def test_say_from_standard_input_to_standard_output(tmp_path: Path) -> None:
    done = run(tmp_path, "say", given=b"One. Two, three.\n")
    assert done.returncode == 0, done.stderr
    assert seconds_of(done.stdout) > 1


@pytest.mark.parametrize("light", [[], ["--light"]])
def test_say_names_the_voice_that_speaks_instead_of_an_unknown_one(
    tmp_path: Path, light: list[str]
) -> None:
    done = run(tmp_path, "say", "Hello.", "--voice", "zoe", *light, "-o", "said.wav")
    assert done.returncode == 0, done.stderr
    assert b"There is no voice 'zoe'; the voice is system_en-US" in done.stderr.splitlines()
    assert seconds_of((tmp_path / "said.wav").read_bytes()) > 0.2


@pytest.mark.parametrize(("voice", "engine"), [("anna", "csm"), ("coqui_en", "coqui")])
def test_say_names_whose_voice_was_left_out(tmp_path: Path, voice: str, engine: str) -> None:
    make_voice(tmp_path / "config/voices/anna")
    words = ("say", "Hello.", "--voice", voice, "--light", "-o", "said.wav")
    said = run(tmp_path, *words, settings={}).stderr.decode().splitlines()
    assert said[0] == (
        f"{voice!r} is a voice of {engine}, left out by --light or `engines`;"
        " the voice is system_en-US"
    )


def test_nothing_to_say_is_a_moment_of_silence(tmp_path: Path) -> None:
    done = run(tmp_path, "say", "🎉 …", "-o", "said.wav")
    assert done.returncode == 0, done.stderr
    assert b"nothing to say" in done.stderr
    with wave.open(str(tmp_path / "said.wav")) as file:
        assert file.readframes(9_999) == bytes(4_800)


@pytest.mark.parametrize(
    ("words", "settings", "complaint"),
    [
        (["serve"], {"csm": {"temprature": 1}}, b"did you mean 'temperature'?"),
        (["serve", "--uri", "10200"], SYSTEM_ONLY, b"is not like tcp://"),
        (["serve", "--log-format", "%(nonsense"], SYSTEM_ONLY, b"log.format"),
        (["serve", "--log-format", "%(nonsense)s"], SYSTEM_ONLY, b"log.format"),
        (["serve", "--data-dir", "settings.json/x"], SYSTEM_ONLY, b"data_dir"),
        (["say", "Hello.", "-o", "."], SYSTEM_ONLY, b"wyoming-csm: . cannot be written: Is a dir"),
        (["say", "a" * 20_000], SYSTEM_ONLY, b"10000 are allowed"),
    ],
)
def test_what_the_user_can_correct_is_exit_2_without_a_traceback(
    tmp_path: Path, words: list[str], settings: object, complaint: bytes
) -> None:
    done = run(tmp_path, *words, settings=settings)
    assert done.returncode == 2, done.stderr
    assert complaint in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"s of sound in" not in done.stderr, "nothing was written"


def test_where_to_write_is_looked_at_before_anything_is_spoken(tmp_path: Path) -> None:
    done = run(tmp_path, "say", "Hello.", "-o", "no/such.wav")
    assert done.returncode == 2
    complaint = f"wyoming-csm: no/such.wav cannot be written: {tmp_path}/no is no folder\n"
    assert done.stderr.decode() == complaint


def test_a_setting_of_an_earlier_release_is_a_line_in_the_log(tmp_path: Path) -> None:
    settings = {**SYSTEM_ONLY, "sample_rate": 24_000, "csm": {"memory_share": 0.5}}
    settings["log"] = {"format": "%(levelname)s! %(message)s"}
    done = run(tmp_path, "say", "Hello.", "-o", "said.wav", settings=settings)
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode().replace("WARNING! settings.json: ", "").splitlines()
    assert said[:2] == [
        "sample_rate is no setting any more, it is always 24000: leave it out",
        "csm.memory_share is now called csm.gpu_memory_share",
    ]


def test_a_wrong_word_is_named_as_the_setting(tmp_path: Path) -> None:
    done = run(tmp_path, "verify", "--dtype", "int9", settings={})
    assert done.returncode == 2
    assert b"csm.dtype: 'int9' is none of: auto," in done.stderr


def test_an_address_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(tmp_path, "--uri", f"tcp://127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 2
    assert b"cannot be had" in done.stderr
    assert b"Traceback" not in done.stderr


class Served:
    """A running server process."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, port: int) -> None:
        self.process = process
        self.folder = folder
        self.port = port

    def client(self) -> AsyncTcpClient:
        return AsyncTcpClient("127.0.0.1", self.port)

    async def voices(self) -> list[str]:
        async with self.client() as client:
            await client.write_event(Describe().event())
            event = await client.read_event()
        assert event is not None
        return [voice.name for voice in Info.from_event(event).tts[0].voices]


@asynccontextmanager
async def served(folder: Path, settings: object = SYSTEM_ONLY) -> AsyncIterator[Served]:
    (folder / "settings.json").write_text(json.dumps(settings))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--config", "settings.json", "--uri", f"tcp://127.0.0.1:{port}",
        cwd=folder, env=os.environ | {"LC_ALL": "C"}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"listens on" not in (line := await process.stderr.readline()):
                assert line, "the server ended"
        yield Served(process, folder, port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def sound_of(client: AsyncTcpClient, voice: str | None = None) -> bytes:
    wanted = SynthesizeVoice(name=voice) if voice else None
    await client.write_event(Synthesize("The front door is open.", voice=wanted).event())
    pcm = b""
    async with asyncio.timeout(60):
        while (event := await client.read_event()) is not None:
            if AudioStop.is_type(event.type):
                return pcm
            if AudioChunk.is_type(event.type):
                pcm += AudioChunk.from_event(event).audio
    raise AssertionError("no end of the sound")


async def test_it_serves_speaks_is_small_and_ends_with_0(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        assert "system_en-US" in await server.voices()
        async with server.client() as client:
            pcm = await sound_of(client)
        assert 1 < len(pcm) / 48_000 < 4
        resident = resident_mib(server.process.pid)
        processes = children_in(tmp_path)
        assert len(processes) == 2, "the server and the system voice's"
        server.process.terminate()
        assert await asyncio.wait_for(server.process.wait(), 60) == 0
        assert resident < 80
        assert server.process.stderr is not None
        assert (await server.process.stderr.read()).decode().splitlines()[-1].endswith(": Ended")
        await asyncio.to_thread(wait_until_gone, processes)


async def test_a_reply_in_flight_is_finished_before_the_end(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await client.write_event(Synthesize("The front door is open. " * 10).event())
        event = await client.read_event()
        assert event is not None
        assert event.type == "audio-start"
        server.process.terminate()
        async with asyncio.timeout(60):
            while not AudioStop.is_type(event.type):
                event = await client.read_event()
                assert event is not None, "cut off"
            assert await server.process.wait() == 0


async def test_new_voices_are_listed_after_sighup_in_any_script(tmp_path: Path) -> None:
    settings = {**SYSTEM_ONLY, "engines": ["csm", "system"], "csm": {"checkpoint": "/nowhere"}}
    folders = {"anna": "anna", "Zo\xeb": "Zoe\u0308", "太郎": "太郎", "🎉": "🎉"}  # by name
    async with served(tmp_path, {**settings, "voices": "voices"}) as server:
        assert folders.keys().isdisjoint(await server.voices())
        for folder in folders.values():
            make_voice(tmp_path / "voices" / folder)
        server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(9):  # the regular look comes after 10
            while not folders.keys() <= set(await server.voices()):
                pass  # asking takes its time
        for name in folders:  # CSM cannot speak here: the voice still speaks
            async with server.client() as client:
                assert await sound_of(client, name)


def make_voice(folder: Path) -> None:
    folder.mkdir(parents=True)
    soundfile.write(folder / "clip.wav", np.zeros(24_000, np.float32), 24_000)
    (folder / "clip.txt").write_text("One second.")


def resident_mib(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def children_in(folder: Path) -> list[int]:
    """Processes that run in this folder: the server's children, since tests use one each."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink(f"/proc/{name}/cwd") == str(folder):
                found.append(int(name))
        except OSError:
            continue
    return found


def wait_until_gone(processes: Iterable[int]) -> None:
    """None is left after the server ended; a test that fails waits 5 s."""
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{process}/cwd").exists() for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)
