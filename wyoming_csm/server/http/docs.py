"""The OpenAPI document as a page to read: made here, with nothing from elsewhere."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from aiohttp import web

from wyoming_csm.server.http.openapi import document

_METHODS = ("get", "post", "delete")


async def docs(_request: web.Request) -> web.Response:
    """Answer GET /api/docs."""
    return web.Response(text=page(document()), content_type="text/html")


def page(found: dict[str, Any]) -> str:
    """Return the page."""
    title = escape(f"{found['info']['title']} {found['info']['version']}")
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{title}: HTTP</title><link rel="stylesheet" href="../page/docs.css">',
            '<link rel="icon" href="../page/icon.svg" type="image/svg+xml"></head>',
            f'<body><p><a href="../">Back to the page</a></p><h1>{title}</h1><p>'
            + escape(found["info"]["description"]),
            ' The same for programs: <a href="openapi.json">openapi.json</a>.</p>',
            *(line for path, item in found["paths"].items() for line in _path(path, item)),
            "<h2>Forms</h2>",
            *(line for one in found["components"]["schemas"].items() for line in _schema(*one)),
            "</body></html>",
        )
    )


def _path(path: str, item: dict[str, Any]) -> Iterator[str]:
    for method in (one for one in _METHODS if one in item):
        operation = item[method]
        yield f"<section><h2><b>{method.upper()}</b> <code>{escape(path)}</code></h2>"
        yield f"<p>{escape(operation['summary'])}</p><table>"
        for one in operation.get("parameters", ()):
            needed = ", needed" if one["required"] else ""
            yield _line(f"{one['in']}: {one['name']}{needed}", one.get("description", ""))
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            yield _line(f"body: {kind}", _form(content["schema"]))
        for status, answer in operation["responses"].items():
            forms = {_form(one["schema"]) for one in answer.get("content", {}).values()}
            yield _line(status, f"{answer['description']} {' '.join(sorted(forms - {''}))}")
        yield "</table></section>"


def _line(name: str, meaning: str) -> str:
    return f'<tr><th scope="row">{escape(name)}</th><td>{escape(meaning)}</td></tr>'


def _form(schema: dict[str, Any]) -> str:
    refs = [one.get("$ref", "") for one in (schema, *schema.get("anyOf", ()))]
    names = [ref.rpartition("/")[2] for ref in refs if ref]
    if names:
        return f"({', '.join(names)})"
    properties = schema.get("properties", {})
    return f"fields: {', '.join(properties)}" if properties else ""


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"<section><h3><code>{escape(name)}</code></h3>"
    yield f"<p>{escape(schema.get('description', ''))}</p>"
    yield f"<pre>{escape(json.dumps(schema.get('properties', {}), indent=2))}</pre></section>"
