"""A model hub on loopback: enough of its HTTP to download a repository's files, or be refused."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """Serves `files` as `repository`, only to who brings `token` if there is one.

    The connection ends in the middle of the file called `cut`. What is asked for from a byte on is
    sent from there, unless `goes_on` is False.
    """

    daemon_threads = True

    def __init__(
        self, repository: str, files: Path, *, token: str | None = None, cut: str = ""
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository = repository
        self.files = {p.name: p.read_bytes() for p in files.iterdir() if p.is_file()}
        self.others: dict[str, dict[str, bytes]] = {}  # more repositories, with their files
        self.token = token
        self.cut = cut
        self.goes_on = True
        self.fetched: list[str] = []
        self.sent: dict[str, int] = {}  # bytes, by the file's name
        self.tokens: set[str | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


def point_at(patch: pytest.MonkeyPatch, url: str) -> None:
    """huggingface-hub reads its endpoint once, at import."""
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", url)
    patch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    patch.setattr("huggingface_hub.hf_api.api.endpoint", url)
    patch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 2)


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        hub.tokens.add(token)
        known = {hub.repository: hub.files, **hub.others}
        repository = next((name for name in known if f"/{name}/" in f"{path}/"), "")
        files = known.get(repository, {})
        if repository and path.startswith(f"/api/models/{repository}"):
            if path.rsplit("/", 1)[-1] not in (COMMIT, "main", repository.split("/")[1]):
                return self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            if "/tree/" in path:
                found = [_entry(name, body) for name, body in files.items()]
                return self._answer(200, json.dumps(found).encode())
            siblings = [{"rfilename": name} for name in files]
            about = {"id": repository, "sha": COMMIT, "siblings": siblings}
            return self._answer(200, json.dumps(about).encode())
        name = path.rsplit("/", 1)[-1]
        if not repository or not path.startswith(f"/{repository}/resolve/"):
            return self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        if hub.token is not None and token != hub.token:
            return self._answer(401, b"", {"X-Error-Code": "GatedRepo"})
        if name not in files:
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        body = files[name]
        if self.command == "GET":
            hub.fetched.append(name)
        self.close_connection = name == hub.cut and self.command == "GET"
        etag = hashlib.sha256(body).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if self.command == "GET" and hub.goes_on and begin:
            body, code = body[begin:], 206
        else:
            code = 200
        if self.command == "GET":
            now = len(body) // 2 if self.close_connection else len(body)
            hub.sent[name] = hub.sent.get(name, 0) + now
        return self._answer(code, body, headers)

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: len(body) // 2] if self.close_connection else body)


def _entry(name: str, body: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
