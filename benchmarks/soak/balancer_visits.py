"""What a balancer does before a replica: it looks, and brings clients; and who acts as one."""

from contextlib import AbstractAsyncContextManager

from wyoming.info import Describe
from wyoming.tts import Synthesize

from benchmarks.soak.served import BALANCER
from benchmarks.soak.visitor import Connection, Refused, Visitor

_LOCAL = b"PROXY UNKNOWN\r\n"
_LINES = (b"up ", b"drain", b"down ")  # how the agent's begin


async def look(visitor: Visitor) -> None:
    """Ask the agent, and the server itself."""
    async with visitor.connected(visitor.agent_port) as agent:
        line = await agent.reader.read()
        if not line.startswith(_LINES):
            raise Refused(f"the agent said {line!r}")
    async with _from_balancer(visitor, visitor.port) as door:
        door.writer.write(_LOCAL)
        await door.send(Describe().event())
        await door.until("info")


async def speak(visitor: Visitor) -> None:
    """Bring a client from elsewhere, who listens to the end."""
    async with _from_balancer(visitor, visitor.port) as door:
        door.writer.write(_header(visitor))
        await door.send(Synthesize(visitor.text()).event())
        await door.until("audio-stop")


async def browse(visitor: Visitor) -> None:
    """Bring a browser."""
    async with _from_balancer(visitor, visitor.http_port) as door:
        door.writer.write(_header(visitor))
        door.writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await door.reader.read()
        if not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")):
            raise Refused(f"HTTP said {answer[:50]!r}")


async def pretend(visitor: Visitor) -> None:
    """Name another address without being a balancer, or none as one."""
    claims = visitor.chance.random() < 0.5
    port = visitor.chance.choice((visitor.port, visitor.http_port))
    async with visitor.connected(port, visitor.address if claims else BALANCER) as door:
        door.writer.write(_header(visitor) if claims else b"PROXY TCP4 999.1.1.1\r\n")
        await door.send(Describe().event())
        await door.until("info")


def _from_balancer(visitor: Visitor, port: int) -> AbstractAsyncContextManager[Connection]:
    return visitor.connected(port, BALANCER)


def _header(visitor: Visitor) -> bytes:
    address = f"10.9.{visitor.chance.randrange(4)}.{visitor.number}"
    return f"PROXY TCP4 {address} 192.168.1.10 40000 10200\r\n".encode()
