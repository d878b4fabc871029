"""Health, status and what is counted: true at every moment of an engine's life."""

import re

import pytest

from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import peer, say
from tests.server.http.doors import Doors, doors
from wyoming_csm.answer import Spoken
from wyoming_csm.engines.base import Phase, Status


@pytest.mark.parametrize(
    ("phase", "ready", "live"),
    [
        (Phase.READY, True, True),
        (Phase.ASLEEP, True, True),
        (Phase.WAKING, True, True),
        (Phase.STALLED, False, False),
        (Phase.STARTING, False, True),
        (Phase.RESTING, False, False),
        (Phase.ABSENT, False, True),
    ],
)
async def test_ready_is_who_can_speak_and_live_who_need_not_be_started_anew(
    phase: Phase, ready: bool, live: bool
) -> None:
    engine = FakeEngine()
    async with doors(engine) as both:
        engine.become(phase, "as it is")
        async with both.client.get("/health") as answer:
            assert answer.status == (200 if ready else 503)
            assert ("Retry-After" in answer.headers) is not ready
            assert await answer.json() == {
                "live": live,
                "ready": ready,
                "engines": [{"name": "fake", "phase": phase.value, "detail": "as it is"}],
            }
        async with both.client.get("/health/live") as answer:
            assert answer.status == (200 if live else 503)


async def test_one_that_can_is_enough() -> None:
    first, second = FakeEngine("first"), FakeEngine("second")
    async with doors(first, second) as both:
        first.become(Phase.RESTING, "failed too often")
        for path, status in (
            ("/health", 200),
            ("/health/live", 200),
            ("/health?engine=second", 200),
            ("/health?engine=first", 503),
            ("/health/live?engine=first", 503),
            ("/health?engine=third", 404),
        ):
            async with both.client.get(path) as answer:
                assert answer.status == status, path


async def counts(both: Doors) -> dict[str, float]:
    async with both.client.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        text = await answer.text()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {re.sub("^wyoming_csm_", "", name): float(value) for name, _, value in lines}


async def test_replies_of_both_doors_are_counted() -> None:
    engine = FakeEngine(frames=5)
    async with doors(engine) as both:
        path = "/api/text-to-speech?text=One+is.+Two+is."
        async with both.client.get(path) as answer:
            await answer.read()
        async with peer(both.wyoming) as client:
            await client.send(say("Three is."))
            await client.until("audio-stop")
            found = await counts(both)
            async with both.client.get("/api/status") as answer:
                state = await answer.json()
    assert found['replies_total{outcome="whole",speaker="fake/fake_en"}'] == 2
    assert found["sentences_total"] == 3
    assert found["frames_total"] == pytest.approx(15)
    assert (found["cache_lookups_total"], found["cache_hits_total"]) == (0, 0)
    assert found["sound_seconds_total"] == pytest.approx(1.2)
    assert found["ttfa_seconds_count"] == 2
    assert found["rtf_count"] == 2
    assert found["connections"] == 2
    assert found["tasks"] > 2
    assert found['http_requests_total{route="/api/text-to-speech",status="200"}'] == 1
    assert found['slots_free{engine="fake"}'] == 4
    assert found['slots_busy{engine="fake"}'] == 0
    assert found['engine_phase{engine="fake",phase="ready"}'] == 1
    assert [reply["seconds"] for reply in state["replies"]] == [0.8, 0.4]
    assert state["replies"][0]["ttfa"] > 0
    assert state["engines"] == [
        {
            "name": "fake", "phase": "ready", "detail": "fake", "free": 4, "queue": 0,
            "gpu_memory": None,
        }
    ]  # fmt: skip
    assert state["speaks"] == "fake: fake"
    assert (state["text_characters"], state["transcribes"]) == (10_000, False)


async def test_fallbacks_and_deaths_are_counted() -> None:
    first = FakeEngine("first", voices=(fake_voice("anna", engine="first"),))
    second = FakeEngine("second")
    async with doors(first, second) as both:
        first.become(Phase.STARTING, "its process ended")
        first.become(Phase.RESTING, "failed too often")
        async with both.client.get("/api/text-to-speech?text=One+is.&voice=anna") as answer:
            await answer.read()
        found = await counts(both)
    assert found['child_restarts_total{engine="first"}'] == 1
    assert found['child_restarts_total{engine="second"}'] == 0
    assert found['fallbacks_total{engine="first"}'] == 1


async def test_cut_replies_are_counted_as_cut() -> None:
    async with doors(FakeEngine(fail_after=2)) as both:
        async with both.client.get("/api/text-to-speech?text=One+is.") as answer:
            assert answer.status == 503
        found = await counts(both)
    assert found['replies_total{outcome="cut",speaker="fake/fake_en"}'] == 1


async def test_unknown_addresses_are_one_route_and_probes_are_not_counted() -> None:
    async with doors(FakeEngine(status=Status(Phase.STARTING))) as both:
        for path, status in (("/health", 503), ("/health/live", 200)):
            async with both.client.get(path) as answer:
                assert answer.status == status
        for path in ("/a", "/b"):
            async with both.client.get(path) as answer:
                assert answer.status == 404
                assert "/api/docs" in (await answer.json())["error"]["message"]
        found = await counts(both)
    assert [name for name in found if name.startswith("http_requests_total")] == [
        'http_requests_total{route="-",status="404"}'
    ]
    assert found['http_requests_total{route="-",status="404"}'] == 2


async def test_a_reply_without_words_has_no_ttfa() -> None:
    async with doors(FakeEngine()) as both:
        async with both.client.get("/api/text-to-speech?text=...") as answer:
            assert answer.status == 200
        assert (await counts(both))["ttfa_seconds_count"] == 0


async def test_status_says_what_the_cache_was_asked_for_and_had() -> None:
    async with doors(FakeEngine()) as both:
        both.http.tell(Spoken(True, "csm", ("csm/anna",), 3, 1.0, 0.1, 0.2, looked_for=3, found=2))
        async with both.client.get("/api/status") as answer:
            assert (await answer.json())["cache"] == {"lookups": 3, "hits": 2}


async def test_status_names_engines_that_are_left_out() -> None:
    async with (
        doors(FakeEngine(), engines=("system",)) as both,
        both.client.get("/api/status") as answer,
    ):
        state = await answer.json()
    assert state["left_out"] == dict.fromkeys(("csm", "coqui"), "left out by --light or `engines`")
