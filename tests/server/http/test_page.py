"""The page's files and the document of all routes: whole, and nothing beside them."""

import re

import msgspec
import pytest

from tests.fakes import FakeEngine
from tests.server.http.doors import doors
from tests.server.http.raw import raw
from wyoming_csm.server.http.docs import page
from wyoming_csm.server.http.openapi import document
from wyoming_csm.server.http.page import FOLDER
from wyoming_csm.server.http.routes import ROUTES

UNDOCUMENTED = ("/", "/page/{name:[A-Za-z0-9_./-]+}", "/api/openapi.json", "/api/docs")


async def test_the_page_is_looked_at_again_each_time() -> None:
    async with doors(FakeEngine()) as both:
        async with both.client.get("/") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert answer.headers["Cache-Control"] == "no-cache"
            known = {"If-None-Match": answer.headers["ETag"]}
        async with both.client.get("/", headers=known) as answer:
            assert answer.status == 304
        async with both.client.get("/api/docs") as answer:
            linked = re.findall(r'<link [^>]*href="([^"]+)"', await answer.text())
        assert linked == ["../page/docs.css", "../page/icon.svg"]  # also below a path
        for path, kind in zip(linked, ("text/css", "image/svg+xml"), strict=True):
            async with both.client.get(f"/api/{path}") as answer:
                assert (answer.status, answer.content_type) == (200, kind)


def test_all_modules_are_asked_for_at_once() -> None:
    """Else the browser learns of one after the other, and the page comes later with each."""
    preloaded = re.findall(r'modulepreload" href="page/(\S+)"', (FOLDER / "index.html").read_text())
    late = {"app.js", "capture.js"}  # what begins, and what only a recording needs
    assert set(preloaded) == {file.name for file in FOLDER.glob("*.js")} - late


@pytest.mark.parametrize(
    "path",
    ["/page/../routes.py", "/page/%2e%2e/routes.py", "/page//etc/passwd", "/page/", "/page/."],
)
async def test_nothing_else_of_this_machine_is_served(path: str) -> None:
    async with doors(FakeEngine()) as both, raw(both) as one:
        one.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert await one.status() == 404


def test_every_route_is_documented() -> None:
    written = {
        (method.upper(), path) for path, item in document()["paths"].items() for method in item
    }
    routes = {(one.method, one.path) for one in ROUTES if one.path not in UNDOCUMENTED}
    assert written == routes


def test_the_page_of_the_document_needs_nothing_from_elsewhere() -> None:
    text = page(document())
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    for path, item in document()["paths"].items():
        for method in item:
            assert f"<b>{method.upper()}</b> <code>{path}</code>" in text


async def test_the_document_says_where_it_is() -> None:
    async with doors(FakeEngine()) as both:
        async with both.client.get("/api/openapi.json") as answer:
            found = await answer.json()
        async with both.client.get("/api/docs") as answer:
            assert answer.content_type == "text/html"
    assert found == msgspec.json.decode(msgspec.json.encode(document()))
    assert found["openapi"] == "3.1.0"
