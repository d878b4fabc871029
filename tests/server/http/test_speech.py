"""OpenAI's API for speech: streamed as it is made, in all formats."""

from tests.fakes import FakeEngine, frame
from tests.server.http.doors import doors


async def test_sound_is_streamed() -> None:
    engine = FakeEngine(frames=3)
    async with doors(engine) as one:
        async with one.client.post("/v1/audio/speech", json={"input": "One is.", "response_format":"pcm"}) as got:
            body = await got.read()
            print(got.headers, got.status)
        assert got.status == 200
        assert body == b"".join(map(frame, range(3)))
        for fmt in ("wav","mp3","flac","opus"):
            async with one.client.post("/v1/audio/speech", json={"input": "One is.", "response_format":fmt}) as got:
                print(fmt, got.status, len(await got.read()))
        async with one.client.post("/v1/audio/speech", json={"input": "One is.", "response_format":"pcm","stream_format":"sse"}) as got:
                print(await got.text())
        for path in ("/health","/api/status","/metrics","/v1/models","/v1/audio/voices","/api/text-to-speech?text=Hello.","/nix"):
            async with one.client.get(path) as got:
                print(path, got.status, got.headers["Content-Type"], (await got.read())[:500])
        async with one.client.post("/api/generate", json={"text":"Hi there.","voice":"x"}) as got:
            print(got.headers, await got.json())
        async with one.client.ws_connect("/api/stream") as ws:
            await ws.send_json({"type":"start"})
            await ws.send_json({"type":"text","text":"One is. Two"})
            await ws.send_json({"type":"text","text":" is."})
            await ws.send_json({"type":"end"})
            while True:
                m=await ws.receive(); print(m.type, str(m.data)[:100])
                if m.type==1 and '"end"' in m.data: break
    assert 0
