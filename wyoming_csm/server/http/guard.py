"""Who may ask what: pages elsewhere make nothing happen here, nor does a name that is not ours.

A browser sends a page's requests wherever the page says, so an address in a home is no protection.
Three rules, for every request:

- `Host` is an address written in numbers or a name that is ours: a foreign name that leads here
  (DNS rebinding) is refused, since its page would count as our own.
- Where a browser says whence a request comes (`Origin`, `Sec-Fetch-Site`), it is this server; where
  it does not, and any page could have it ask, `Referer` must say so. Only following a link to a
  page is let through: nothing happens by it.
- With a token, each request brings it, but for the page itself and the health check.

There are no CORS headers at all, so a page elsewhere can neither send JSON nor read an answer.
"""

import hmac
import ipaddress
import re
import socket
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from wyoming_csm.config import HttpConfig
from wyoming_csm.errors import ConfigError
from wyoming_csm.server.admission import plain_address
from wyoming_csm.server.http.connection import CONNECTION
from wyoming_csm.server.http.problems import Refused

_LONGEST_TOKEN = 4096  # characters
_TOKEN_PROTOCOL = "bearer."  # noqa: S105 -- before the token, among the protocols that a WebSocket asks for
# Pages and their parts, and whether this server lives: they do nothing and tell nothing of texts.
_OPEN = ("/", "/health", "/health/live", "/api/docs", "/api/openapi.json")
_SPEAKS_BY_GET = "/api/text-to-speech"
_HOST = re.compile(r"(?:\[([^][]+)\]|([^][:]*))(?::[0-9]*)?")
_PREFIX = re.compile(r"/(?!/)[A-Za-z0-9/_.-]+")
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "Server": "wyoming-csm",
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}


class Guard:
    """The three rules, with what the configuration says."""

    def __init__(self, config: HttpConfig) -> None:
        """Read the token. Raises ConfigError."""
        self._names = _own_names() | {_plain(name) for name in config.hosts}
        self._ingress = frozenset(map(ipaddress.ip_address, config.ingress))
        self._token = _read_token(config.token_file)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that count as ours, beside addresses and those that end in .local."""
        return tuple(sorted(self._names))

    def check(self, request: web.BaseRequest) -> None:
        """Raise Refused where a request breaks a rule."""
        self._check_host(request)
        self._check_origin(request)
        self._check_token(request)

    def is_ingress(self, request: web.BaseRequest) -> bool:
        """Tell whether Home Assistant passes this on for somebody who is logged in there."""
        connection = request.get(CONNECTION)  # which knows for whom a balancer connected
        peer = connection.address if connection is not None else request.remote
        return peer is not None and plain_address(peer) in self._ingress

    def prefix(self, request: web.BaseRequest) -> str:
        """Return the path below which this server is seen, "" or like /api/hassio_ingress/x."""
        path = request.headers.get("X-Ingress-Path", "") if self.is_ingress(request) else ""
        return path.rstrip("/") if _PREFIX.fullmatch(path) else ""

    def _check_host(self, request: web.BaseRequest) -> None:
        if self.is_ingress(request):
            return
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) > 1:
            raise Refused(HTTPStatus.BAD_REQUEST, "the request names several hosts")
        name = _without_port(hosts[0]) if hosts else None
        if hosts and (name is None or not self._is_ours(_plain(name))):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                f"{(name or hosts[0])[:100]!a} is not known as a name of this server: open it by"
                f" its address, or add the name to its configuration: http: {{hosts: [NAME]}}",
            )

    def _is_ours(self, host: str) -> bool:
        return host in self._names or host.endswith((".local", ".localhost")) or _is_address(host)

    def _check_origin(self, request: web.BaseRequest) -> None:
        origin, site = request.headers.get(hdrs.ORIGIN), request.headers.get("Sec-Fetch-Site")
        foreign = site not in (None, "same-origin", "none")
        if origin is not None and not (self.is_ingress(request) and site == "same-origin"):
            # What ingress passes on has another host than the browser asked for.
            foreign |= _host_of(origin) not in self._own_hosts(request)
        if origin is None and site is None and _may_be_embedded(request):
            foreign |= _host_of(request.headers.get(hdrs.REFERER, "")) not in self._own_hosts(
                request
            )
        follows_link = (
            origin is None
            and request.method == hdrs.METH_GET
            and request.headers.get("Sec-Fetch-Mode") == "navigate"
            and _is_open(request.path)
        )
        if foreign and not follows_link:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "this may be asked for by a page of another server, so it is refused",
            )

    def _own_hosts(self, request: web.BaseRequest) -> set[str]:
        """Return the hosts, with ports, under which the browser may see this server."""
        ours = [request.headers.get(hdrs.HOST)]
        if self.is_ingress(request):
            ours.append(request.headers.get("X-Forwarded-Host"))
        return {_default_port_less(one) for one in ours if one}

    def _check_token(self, request: web.BaseRequest) -> None:
        if self._token is None or _is_open(request.path):
            return
        scheme, _, word = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        given = [word.strip()] if scheme.lower() == "bearer" else []
        given += [one.removeprefix(_TOKEN_PROTOCOL) for one in token_protocols(request)]
        if not any(hmac.compare_digest(_bytes(one), self._token.encode()) for one in given):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "this server wants its token: Authorization: Bearer TOKEN (http.token_file)",
            )


def token_protocols(request: web.BaseRequest) -> list[str]:
    """Return what holds a token among the protocols that a WebSocket asks for."""
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")
    return [one for one in map(str.strip, offered) if one.startswith(_TOKEN_PROTOCOL)]


def guarding(guard: Guard) -> Middleware:
    """Make the middleware that checks each request."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        guard.check(request)
        return await handler(request)

    return check


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Tell browsers what our pages may do: nothing but to talk to us."""
    response.headers.update(HEADERS)


def _may_be_embedded(request: web.BaseRequest) -> bool:
    """Tell whether a browser asks for what an <audio> or <img> of any page can ask for.

    Over plain HTTP, but for loopback, browsers do not say where such a request comes from.
    """
    speaks = request.method == hdrs.METH_GET and request.path == _SPEAKS_BY_GET
    return speaks and request.headers.get(hdrs.USER_AGENT, "").startswith("Mozilla/")


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith("/page/")


def _bytes(word: str) -> bytes:
    """Return a header's word as it came: what is not UTF-8 in it, aiohttp holds in surrogates."""
    return word.encode(errors="surrogateescape")


def _own_names() -> set[str]:
    name = _plain(socket.gethostname())
    return {"localhost", name, name.partition(".")[0]}


def _plain(host: str) -> str:
    return host.strip().rstrip(".").lower()


def _without_port(host: str) -> str | None:
    """Return the name or the address; None where that, and perhaps a port, is not all."""
    found = _HOST.fullmatch(host.strip())
    return found and (found[1] or found[2])


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host_of(origin: str) -> str:
    """Return host and port of an origin; "" of what is none, as `null`."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return _default_port_less(parts.netloc) if parts.scheme in ("http", "https") else ""


def _default_port_less(netloc: str) -> str:
    netloc = netloc.lower()
    for port in (":80", ":443"):
        if netloc.endswith(port):
            return netloc.removesuffix(port)
    return netloc


def _read_token(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"http.token_file: {file} cannot be read: {error}") from error
    if not token or len(token) > _LONGEST_TOKEN or not (token.isascii() and token.isprintable()):
        raise ConfigError(f"http.token_file: {file} must hold one line of letters and digits")
    return token
