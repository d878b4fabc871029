"""The page and its parts: files of this package, looked at again by browsers each time."""

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "page"


async def index(_request: web.Request) -> web.StreamResponse:
    """Answer GET /."""
    return _file(FOLDER / "index.html")


async def part(request: web.Request) -> web.StreamResponse:
    """Answer GET /page/…"""
    try:
        path = (FOLDER / request.match_info["name"]).resolve()
        if FOLDER.resolve() not in path.parents or not path.is_file():
            raise web.HTTPNotFound
    except OSError as error:  # a name longer than a disk has
        raise web.HTTPNotFound from error
    return _file(path)


def _file(path: Path) -> web.FileResponse:
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})
