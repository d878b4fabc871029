"""A start that cannot have its port says which process has it."""

import os
import socket
import subprocess
import sys

import pytest

from tests.fakes import FakeEngine
from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import ConfigError
from wyoming_csm.server.listener import Server
from wyoming_csm.server.sockets import port_holder

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")


@linux
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_holder_is_named(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as held:
        held.bind((address, 0))
        port = held.getsockname()[1]
        assert port_holder(port) == ""  # it does not listen yet
        held.listen()
        assert port_holder(port).endswith(f"(process {os.getpid()})")


@linux
async def test_a_second_start_is_told_that_the_port_is_ours() -> None:
    words = "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
    words += "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    with subprocess.Popen(  # noqa: ASYNC220 -- nothing else runs here
        [sys.executable, "-c", words, "-m", "wyoming_csm"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        config = Config(uri=f"tcp://127.0.0.1:{port}")
        expected = rf"a wyoming-csm that runs already \(process {other.pid}\)"
        with pytest.raises(ConfigError, match=expected):
            async with Server(config, AnswerContext.of(config, Fallback([FakeEngine()]))):
                pass
        other.communicate()
