"""The child's end of the pipe, in this process over real pipes, and as the real program."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from threading import Event, Thread
from typing import IO

import pytest

from tests.fakes import fake_voice
from wyoming_csm.worker.pipe import HEARTBEAT_SECONDS, Child
from wyoming_csm.worker.protocol import (
    PREFIX_BYTES,
    Audio,
    Configure,
    FromChild,
    Heartbeat,
    Prepare,
    Ready,
    Say,
    Stop,
    Unavailable,
    body_length,
    decode_from_child,
    encode,
)


class Ends:
    """A Child, and the engine's ends of its pipes."""

    def __init__(self) -> None:
        source, to_child = os.pipe()
        from_child, sink = os.pipe()
        self.to_child = os.fdopen(to_child, "wb", buffering=0)
        self.from_child = os.fdopen(from_child, "rb")
        self.gone = Event()
        self.source, self.sink = os.fdopen(source, "rb"), os.fdopen(sink, "wb")
        self.child = Child(self.source, self.sink, self.gone.set)

    def close(self) -> None:
        self.to_child.close()
        assert self.gone.wait(5)
        for end in (self.sink, self.from_child, self.source):
            end.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    ends.child.start()
    yield ends
    ends.close()


def read(pipe: IO[bytes]) -> FromChild | None:
    prefix = pipe.read(PREFIX_BYTES)
    return decode_from_child(pipe.read(body_length(prefix))) if prefix else None


def test_messages_arrive_in_order(ends: Ends) -> None:
    say = Say(1, 1, "", "Hello.", fake_voice("anna"))
    ends.to_child.write(encode(say) + encode(Stop(1))[:3])
    assert ends.child.inbox.get(timeout=20) == say
    with pytest.raises(Empty):
        ends.child.inbox.get(timeout=0.05)
    ends.to_child.write(encode(Stop(1))[3:])
    assert ends.child.inbox.get(timeout=20) == Stop(1)


def test_messages_of_several_threads_stay_whole(ends: Ends) -> None:
    """Also those that are longer than the pipe and the buffer before it."""

    def send(request: int) -> None:
        for _ in range(50):
            ends.child.send(Audio(request, bytes([request]) * 100_000 if request else b"0"))

    threads = [Thread(target=send, args=(request,)) for request in range(4)]
    for thread in threads:
        thread.start()
    received = [read(ends.from_child) for _ in range(200)]
    for thread in threads:
        thread.join()
    for message in received:
        assert isinstance(message, Audio)
        assert message.pcm == (bytes([message.sentence]) * 100_000 if message.sentence else b"0")


@pytest.mark.slow
def test_it_beats_whatever_it_does(ends: Ends) -> None:
    """While it loads, and when it is ready and computes."""
    assert read(ends.from_child) == Heartbeat()
    ends.child.send(Ready("cpu", 1))
    assert read(ends.from_child) == Ready("cpu", 1)
    begin = time.perf_counter()
    assert read(ends.from_child) == Heartbeat()
    assert time.perf_counter() - begin < 10 * HEARTBEAT_SECONDS  # 1, and more on a busy machine


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\x02\x00\x00\x00hi"])
def test_what_is_no_message_ends_it(ends: Ends, garbage: bytes) -> None:
    ends.to_child.write(garbage)
    assert ends.gone.wait(20)


def start_program() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "wyoming_csm.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_the_program_ends_with_its_input() -> None:
    with start_program() as program:
        assert program.stdin is not None
        program.stdin.close()
        assert program.stdout is not None
        assert program.stdout.read() == b""  # every process that held it is gone


def test_the_program_outlives_an_interrupt_and_names_an_engine_it_does_not_know() -> None:
    with start_program() as program:
        assert program.stdin is not None
        assert program.stdout is not None
        beat = read(program.stdout)
        assert beat == Heartbeat()  # it runs: its handlers are set
        program.send_signal(signal.SIGINT)
        assert_parrot_is_refused(program)


@pytest.mark.slow
def test_the_program_prepares_before_it_is_told_what_to_load() -> None:
    with start_program() as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(encode(Prepare("csm")))
        program.stdin.flush()
        for _ in range(2):
            assert read(program.stdout) == Heartbeat()  # while it imports, and after
        assert_parrot_is_refused(program)


def assert_parrot_is_refused(program: subprocess.Popen[bytes]) -> None:
    """Told to load an engine that there is none of, it says so and ends in peace."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(encode(Configure("parrot", {}, "", "")))
    program.stdin.flush()
    while isinstance(message := read(program.stdout), Heartbeat):
        pass
    assert message == Unavailable("there is no engine 'parrot'", "")
    assert program.wait(60) == 0


def test_only_csms_process_has_the_hubs_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = f"""
import sys
file = open({str(tmp_path / "forgotten")!r}, "ab", buffering=0)
sys.addaudithook(lambda event, args: event == "os.unsetenv" and file.write(args[0] + b" "))
"""
    (tmp_path / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    for name in ("HF_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.setenv(name, "hf_secret")
    with start_program() as program:
        assert_parrot_is_refused(program)
    assert (tmp_path / "forgotten").read_text().split()[-2:] == ["HF_TOKEN", "HF_TOKEN_PATH"]


@pytest.mark.slow
def test_preparing_imports_what_is_heavy_and_touches_no_gpu() -> None:
    code = (
        "from wyoming_csm.worker.__main__ import prepare; import os, sys\n"
        "before = dict(os.environ)\n"
        "prepare('system'); assert 'torch' not in sys.modules\n"
        "prepare('csm'); import torch\n"
        "name = 'TORCHINDUCTOR_CACHE_DIR'; assert os.environ.get(name) == before.get(name)\n"
        "assert {'wyoming_csm.worker.csm.load', 'torch._inductor'} <= sys.modules.keys()\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_fault_while_loading_is_logged_with_its_traceback() -> None:
    with start_program() as program:
        assert program.stdin is not None
        assert program.stderr is not None
        program.stdin.write(encode(Configure("coqui", {"models": 3}, "", "")))
        program.stdin.flush()
        assert program.wait(60) == 1
        errors = program.stderr.read().decode()
    assert "coqui failed" in errors
    assert "Traceback" in errors
