"""What a Wyoming server says of itself when it is asked."""

from wyoming.client import AsyncClient
from wyoming.info import Describe, Info

from wyoming_csm.errors import ProtocolError, RequestError
from wyoming_csm.within import within


async def info_of(uri: str, seconds: float) -> Info:
    """Ask the server at an address, which has so many seconds to answer.

    Raises RequestError for an address that is none, OSError where nobody listens, ProtocolError
    where what listens does not answer as a Wyoming server.
    """
    try:
        client = AsyncClient.from_uri(uri, connect_timeout=seconds)
    except ValueError as error:
        raise RequestError(f"{uri!r} is not like tcp://192.168.1.5:10200: {error}") from error
    answers: list[Info] = []
    try:
        await client.connect()
    except TimeoutError as error:
        raise TimeoutError(f"nothing in {seconds:g} s") from error
    try:
        if not await within(seconds, _describe(client, answers)):
            raise ProtocolError(f"nothing in {seconds:g} s")
    except (OSError, EOFError) as error:
        raise ProtocolError(f"it ended the connection: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError("it is no Wyoming server") from error  # as the library reads that
    finally:
        await client.disconnect()
    return answers[0]


async def _describe(client: AsyncClient, answers: list[Info]) -> None:
    await client.write_event(Describe().event())
    while (event := await client.read_event()) is not None:
        if Info.is_type(event.type):
            answers.append(Info.from_event(event))
            return
    raise EOFError("without an answer")
