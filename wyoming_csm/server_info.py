"""What a Wyoming server says of itself when it is asked."""

from contextlib import suppress

from wyoming.client import AsyncClient, AsyncTcpClient
from wyoming.info import Describe, Info

from wyoming_csm.errors import ProtocolError, RequestError
from wyoming_csm.server.proxy_header import FOR_ITSELF
from wyoming_csm.within import within


async def info_of(uri: str, seconds: float) -> Info:
    """Ask the server at an address, which has so many seconds to answer.

    Where it ends the connection it is asked once more, as by a balancer that looks after it: who is
    in `balancer.proxies` of a replica must begin so.

    Raises RequestError for an address that is none, OSError where nobody listens, ProtocolError
    where what listens does not answer as a Wyoming server.
    """
    try:
        client = AsyncClient.from_uri(uri, connect_timeout=seconds)
    except ValueError as error:
        raise RequestError(f"{uri!r} is not like tcp://192.168.1.5:10200: {error}") from error
    try:
        return await _info_of(client, seconds)
    except EOFError as ended:
        if isinstance(client, AsyncTcpClient):
            with suppress(EOFError, OSError, ProtocolError):
                return await _info_of(_AsBalancer(client.host, client.port, seconds), seconds)
        raise ProtocolError(f"it ended the connection: {ended}") from ended


class _AsBalancer(AsyncTcpClient):
    """A client that begins with a PROXY header which names nobody."""

    async def connect(self) -> None:
        await super().connect()
        assert self._writer is not None
        self._writer.write(FOR_ITSELF)


async def _info_of(client: AsyncClient, seconds: float) -> Info:
    """Ask once. Raises EOFError where the connection ends without an answer, else as `info_of`."""
    answers: list[Info] = []
    try:
        await client.connect()
    except TimeoutError as error:
        raise TimeoutError(f"nothing in {seconds:g} s") from error
    try:
        if not await within(seconds, _describe(client, answers)):
            raise ProtocolError(f"nothing in {seconds:g} s")
    except OSError as error:
        raise EOFError(str(error)) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError("it is no Wyoming server") from error  # as the library reads that
    finally:
        with suppress(OSError):  # it left first
            await client.disconnect()
    return answers[0]


async def _describe(client: AsyncClient, answers: list[Info]) -> None:
    await client.write_event(Describe().event())
    while (event := await client.read_event()) is not None:
        if Info.is_type(event.type):
            answers.append(Info.from_event(event))
            return
    raise EOFError("without an answer")
