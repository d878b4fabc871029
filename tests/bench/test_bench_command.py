"""`wyoming-csm bench` against our own server and one with OpenAI's API, both fakes inside."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from tests.fake_openai import FRAME, HEAD, FakeOpenAi, speaking
from tests.fakes import FakeEngine
from tests.server.clients import eventually, port_of, serving
from wyoming_csm.__main__ import main
from wyoming_csm.bench.command import Task, bench, run
from wyoming_csm.bench.plot import plot, require_matplotlib
from wyoming_csm.errors import RequestError


async def test_two_servers_are_timed_in_turns() -> None:
    engine = FakeEngine(frames=10)
    with speaking(FakeOpenAi()) as other:
        async with serving(engine) as server:
            ours = f"tcp://127.0.0.1:{port_of(server)}"
            text = "Number {n}."
            first, second = await run(Task((ours, other.url), text, rounds=3, streams=3))
    assert [timed.uri for timed in (first, second)] == [ours, other.url]
    for timed in (first, second):
        assert len(timed.replies) == 3
        assert timed.failed == []
        assert timed.tried == timed.streams == 3
        assert timed.numbers()["sound_s"] == pytest.approx(0.8, abs=0.3)
        assert 0 < timed.numbers()["ttfa_s"] < timed.numbers()["ttfa_s_most"] + 1e-9
    # once to wake it up, three rounds, then 1, 2 and 3 at once
    assert len(other.asked) == 1 + 3 + 6
    texts = [engine.asked[0], *(str(one["input"]) for one in other.asked)]
    assert len(set(texts)) == len(texts), "a stored sentence would be timed"
    assert other.asked[0] | {"input": ""} == {
        "model": "tts-1", "voice": "alloy", "input": "", "response_format": "wav",
    }  # fmt: skip


async def test_gaps_end_the_search_for_more_streams() -> None:
    """Each frame takes longer than its 80 ms."""
    engine = FakeEngine(frames=3, frame_seconds=0.12)
    async with serving(engine) as server:
        task = Task((f"tcp://127.0.0.1:{port_of(server)}",), "One.", rounds=1, streams=8)
        (timed,) = await run(task)
    assert timed.replies[0].gaps
    assert (timed.streams, timed.tried) == (0, 1)


async def test_a_reply_that_fails_is_counted_and_said() -> None:
    engine = FakeEngine()
    async with serving(engine) as server:
        uri = f"tcp://127.0.0.1:{port_of(server)}"
        task = Task((uri,), "One.", rounds=2, streams=1)
        running = asyncio.ensure_future(run(task))
        await eventually(lambda: bool(engine.finished))
        engine.fail_after = 0
        (timed,) = await running
    assert timed.replies == []
    assert len(timed.failed) == 3
    assert timed.streams == 0


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ((b"<html>no sound</html>",), "no WAV file"),
        ((HEAD,), "without sound"),
        ((b"RIFF",), "no WAV file"),
        ((HEAD[:12] + HEAD[36:], FRAME), "no WAV file"),  # samples of an unknown rate
        ((HEAD[:30], HEAD[30:] + FRAME), ""),  # the head comes in parts
    ],
)
async def test_what_is_no_wav_file_is_said(body: tuple[bytes, ...], complaint: str) -> None:
    with speaking(FakeOpenAi(body)) as server:
        (timed,) = await run(Task((server.url,), rounds=1, streams=1))
    if complaint:
        assert [complaint in why for why in timed.failed] == [True], timed.failed
        assert timed.replies == []
    else:
        assert timed.replies[0].seconds == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("status", "cure"), [(401, "OPENAI_API_KEY"), (503, "too much to do"), (400, "no voice")]
)
async def test_a_refusal_is_said(status: int, cure: str) -> None:
    with speaking(FakeOpenAi()) as server:
        server.refusal = (status, "no\x1b voice")
        (timed,) = await run(Task((server.url,)))
    (why,) = timed.failed
    assert cure in why
    assert "\x1b" not in why


async def test_the_key_is_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    with speaking(FakeOpenAi()) as server:
        await run(Task((server.url,), rounds=1, streams=1))
    assert set(server.keys) == {"Bearer sk-1"}


async def test_who_never_answers_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"127.0.0.1:{silent.getsockname()[1]}"
        for one in (f"tcp://{uri}", f"http://{uri}/v1"):
            (timed,) = await run(Task((one,), timeout=0.1))
            assert "--timeout" in timed.failed[0]


@pytest.mark.parametrize(
    "words",
    [
        "localhost:10200", "tcp://localhost", "ftp://a/v1", "http:///v1", "tcp://a:99999",
    ],
)  # fmt: skip
def test_a_wrong_address_is_said(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", words]) == 2
    assert "is not like tcp://" in capsys.readouterr().err


def test_a_password_in_an_address_is_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "http://me:geheim@localhost:1/v1"]) == 2
    told = capsys.readouterr().err
    assert "OPENAI_API_KEY" in told
    assert "geheim" not in told


def test_who_is_not_there_takes_nothing_from_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    dead = "tcp://127.0.0.1:9"
    with speaking(FakeOpenAi()) as server:
        assert main(["bench", dead, server.url, "--rounds", "2", "--streams", "1"]) == 1
    *_, first, second, why, line = capsys.readouterr().out.splitlines()
    assert first.split() == [dead, *"------"]
    assert second.split()[0] == server.url
    assert second.split()[-1] == "1+"
    assert why.startswith(f"failed: {dead} cannot be spoken with")
    there = {one["uri"]: (one["replies"], len(one["failed"])) for one in json.loads(line)["bench"]}
    assert there == {dead: (0, 1), server.url: (2, 0)}


def test_more_streams_than_are_allowed_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "tcp://a:1", "--streams", "65"])
    assert "from 1 to 64" in capsys.readouterr().err


def test_a_table_and_a_line_of_json_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking(FakeOpenAi()) as server:
        assert main(["bench", server.url, "--rounds", "2", "--streams", "2"]) == 0
    *_, head, row, line = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["server", "first", "sound"]
    assert row.split()[0] == server.url
    assert row.split()[-1] == "2+", "more may be held"
    (found,) = json.loads(line)["bench"]
    assert found["streams"] == 2
    assert found["failed"] == []


@pytest.mark.slow
def test_a_picture_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    with speaking(FakeOpenAi()) as server:
        task = Task((server.url,), rounds=1, streams=1, plot=tmp_path / "it.png")
        assert bench(task) == 0
    assert (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")
    assert "it.png shows it" in capsys.readouterr().out
    with pytest.raises(RequestError, match="no PNG file"):
        require_matplotlib(tmp_path / "it.svg")
    with pytest.raises(RequestError, match="cannot be written"):
        plot([], tmp_path)
