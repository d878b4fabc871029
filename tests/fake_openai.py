"""A server with OpenAI's API for speech on loopback, that streams WAV as such servers do."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

RATE = 24_000
FRAME = bytes(3_840)  # 80 ms
# Of a stream nobody knows the length.
HEAD = (
    b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0"
    + struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    + b"data\xff\xff\xff\xff"
)


class FakeOpenAi(ThreadingHTTPServer):
    """Answers with `body`, chunked, or with `refusal`: a status and words."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, body: tuple[bytes, ...] = (HEAD, *[FRAME] * 10)) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = body
        self.refusal: tuple[int, str] | None = None
        self.asked: list[dict[str, object]] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def speaking(server: FakeOpenAi) -> Iterator[FakeOpenAi]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FakeOpenAi
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        fake = self.server
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        fake.asked.append(json.loads(asked))
        fake.keys.append(self.headers.get("Authorization"))
        status, words = fake.refusal or (200, "")
        if self.path != "/v1/audio/speech":
            status, words = 404, "no such path"
        self.send_response(status)
        if status != 200:
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words.encode())
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in fake.body:
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
