"""What is refused over HTTP: one shape of JSON, OpenAI's, with words for people."""

from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from wyoming_csm.errors import (
    EngineError,
    OtherServerError,
    RequestError,
    StoreError,
    VoiceError,
    VoiceExists,
    WyomingCsmError,
)
from wyoming_csm.server.rate_limited_log import RateLimitedLog

RETRY_SECONDS = 2  # after which one who was told "full" may ask again

BEGUN = web.RequestKey("begun", bool)

_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.INTERNAL_SERVER_ERROR: "server_error",
    HTTPStatus.BAD_GATEWAY: "server_error",
    HTTPStatus.GATEWAY_TIMEOUT: "server_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "overloaded_error",
    HTTPStatus.INSUFFICIENT_STORAGE: "server_error",
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong: words for people, and OpenAI's names for programs."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """The body of every answer that is an error."""

    error: Fault


class Refused(WyomingCsmError):
    """A request is answered with this status and these words."""

    def __init__(self, status: HTTPStatus, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param


def fault_of(error: WyomingCsmError) -> tuple[HTTPStatus, Fault]:
    """Return the status and the words for an error of this package."""
    param = None
    match error:
        case Refused():
            status, param = error.status, error.param
        case EngineError():
            status = HTTPStatus.SERVICE_UNAVAILABLE
        case StoreError(full=True):
            status = HTTPStatus.INSUFFICIENT_STORAGE
        case OtherServerError():
            status = HTTPStatus.GATEWAY_TIMEOUT if error.late else HTTPStatus.BAD_GATEWAY
        case VoiceExists():
            status = HTTPStatus.CONFLICT
        case RequestError() | VoiceError():
            status = HTTPStatus.BAD_REQUEST
        case _:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = status.phrase.lower().replace(" ", "_")
    kind = _TYPES.get(status, "invalid_request_error")
    return status, Fault(message=str(error), type=kind, param=param, code=code)


def unforeseen() -> Refused:
    """Return what is told of an error that nobody foresaw."""
    return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error: the server's log says more")


def sent_away(reason: str) -> Fault:
    """Return the words for a peer whose answer ends before its time."""
    return fault_of(Refused(HTTPStatus.SERVICE_UNAVAILABLE, reason))[1]


def answer_of(error: WyomingCsmError) -> web.Response:
    """Return the answer to a request that failed with this error."""
    status, fault = fault_of(error)
    headers = {"Cache-Control": "no-store"}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return web.json_response(
        body=msgspec.json.encode(Problem(fault)), status=status, headers=headers
    )


def as_json(log: RateLimitedLog) -> Middleware:
    """Make the middleware that answers every error as JSON; one that nobody foresaw is logged, and
    told without details.

    Where the answer has begun, the connection is broken off: nobody takes a part for the whole.
    """

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConnectionError:  # the client left
            return _broken_off(request)
        except WyomingCsmError as error:
            if isinstance(error, StoreError):
                _warn(request, error, log)
            answer = answer_of(error)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            answer = answer_of(Refused(HTTPStatus(error.status), _words_of(error)))
            if allowed := error.headers.get("Allow"):
                answer.headers["Allow"] = allowed
        except Exception as error:
            answer = answer_of(_unforeseen(request, error, log))
        return _broken_off(request) if BEGUN in request else answer

    return answer


async def expect_nothing(_request: web.Request, response: web.StreamResponse) -> None:
    """Give the one error that aiohttp tells before any middleware, 417, the form of all others."""
    if isinstance(response, web.HTTPExpectationFailed):
        refused = Refused(HTTPStatus.EXPECTATION_FAILED, "only Expect: 100-continue is known")
        response.body = body = msgspec.json.encode(Problem(fault_of(refused)[1]))
        response.headers[hdrs.CONTENT_LENGTH] = str(len(body))
        response.content_type = "application/json"


async def note_beginning(request: web.Request, _response: web.StreamResponse) -> None:
    """Remember that the answer to a request has begun."""
    request[BEGUN] = True


def _broken_off(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # which goes nowhere


def _unforeseen(request: web.Request, error: Exception, log: RateLimitedLog) -> WyomingCsmError:
    """Log an error that nobody foresaw, and return what is told of it."""
    if isinstance(error, OSError) and (found := StoreError.of_temporary(error)).full:
        _warn(request, error, log)
        return found
    resource = request.match_info.route.resource
    log.exception(f"{resource} {type(error).__name__}", "A request to %s failed", resource)
    return unforeseen()


def _warn(request: web.Request, error: Exception, log: RateLimitedLog) -> None:
    """Log what is no fault of the program's, but of the machine it runs on."""
    resource = request.match_info.route.resource
    kind = f"{resource} {type(error).__name__}"
    log.warning(kind, "A request to %s failed: %s", resource, error)


def _words_of(error: web.HTTPException) -> str:
    match error:
        case web.HTTPNotFound():
            return "there is nothing at this address: see /api/docs"
        case web.HTTPMethodNotAllowed():
            return f"this address takes {', '.join(sorted(error.allowed_methods))} only"
        case web.HTTPRequestEntityTooLarge():
            return "the request is too large"
    return error.reason
