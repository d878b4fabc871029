"""What is counted, for Prometheus and for the page: numbers of replies, never their words."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wyoming_csm.answer import Spoken
from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME
from wyoming_csm.engines.base import Engine, Phase

_RECENT = 50  # replies that the page shows
_FIRST_SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
_FACTORS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.85, 1, 1.5, 2, 4)


class Reply(msgspec.Struct, frozen=True):
    """One reply: when it was over, who spoke, how long the first sound took, seconds of computing
    for a second of sound (null where that is not known)."""

    ended: float
    whole: bool
    speakers: tuple[str, ...]
    seconds: float
    ttfa: float | None
    rtf: float | None


class Metrics:
    """Counts of one server, from its start on."""

    def __init__(self, engines: Sequence[Engine], connections: Callable[[], int]) -> None:
        """Watch the engines; `connections` counts those inside, through all doors."""
        self.registry = CollectorRegistry()
        self.recent: deque[Reply] = deque(maxlen=_RECENT)
        self.lookups = self.hits = 0  # of sentences among those that were stored
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self._requests = counter(
            "wyoming_csm_http_requests",
            "HTTP requests answered, but for /health",
            ["route", "status"],
        )
        self._replies = counter(
            "wyoming_csm_replies", "Replies spoken, through all doors", ["speaker", "outcome"]
        )
        self._sentences = counter("wyoming_csm_sentences", "Sentences spoken")
        self._seconds = counter("wyoming_csm_sound_seconds", "Seconds of sound sent")
        self._frames = counter("wyoming_csm_frames", "Frames of 80 ms sent")
        self._lookups = counter(
            "wyoming_csm_cache_lookups", "Sentences looked for among those that were stored"
        )
        self._found = counter("wyoming_csm_cache_hits", "Sentences found among these")
        self._fallbacks = counter(
            "wyoming_csm_fallbacks", "Replies spoken by another engine than the voice's", ["engine"]
        )
        self._deaths = counter(
            "wyoming_csm_child_restarts", "Engines' processes that died or hung", ["engine"]
        )
        self._first = histogram(
            "wyoming_csm_ttfa_seconds", "From the text to the first sound", buckets=_FIRST_SECONDS
        )
        self._factor = histogram(
            "wyoming_csm_rtf", "Seconds of computing for a second of sound", buckets=_FACTORS
        )
        self.registry.register(_Now(engines, connections))
        for engine in engines:
            self._deaths.labels(engine.title)
            self._watch(engine)

    def answered(self, route: str, status: int) -> None:
        """Count an HTTP request."""
        self._requests.labels(route, str(status)).inc()

    def spoken(self, spoken: Spoken) -> None:
        """Count a reply, of any door."""
        factor = spoken.computing_seconds / spoken.seconds if spoken.seconds else 0.0
        speakers = spoken.speakers
        outcome = "whole" if spoken.whole else "cut"
        self._replies.labels(speakers[0] if speakers else "-", outcome).inc()
        self._sentences.inc(spoken.sentences)
        self._seconds.inc(spoken.seconds)
        self._frames.inc(spoken.seconds * SAMPLE_RATE / SAMPLES_PER_FRAME)
        self.lookups += spoken.looked_for
        self.hits += spoken.found
        self._lookups.inc(spoken.looked_for)
        self._found.inc(spoken.found)
        if spoken.first_seconds is not None and spoken.sentences:  # else: a silence
            self._first.observe(spoken.first_seconds)
        if factor:
            self._factor.observe(factor)
        if speakers and not speakers[0].startswith(spoken.engine):
            self._fallbacks.labels(spoken.engine).inc()
        self.recent.append(
            Reply(
                time.time(),
                spoken.whole,
                speakers,
                round(spoken.seconds, 3),
                None if spoken.first_seconds is None else round(spoken.first_seconds, 4),
                round(factor, 4) or None,
            )
        )

    def text(self) -> bytes:
        """Return all in Prometheus' text format."""
        return generate_latest(self.registry)

    def _watch(self, engine: Engine) -> None:
        before = engine.status.phase

        def changed() -> None:
            nonlocal before
            now = engine.status.phase
            if now is Phase.STARTING and before in (Phase.READY, Phase.STALLED, Phase.WAKING):
                self._deaths.labels(engine.title).inc()
            before = now

        engine.subscribe(changed)


class _Now(Collector):
    """What is true at the moment when it is asked for."""

    def __init__(self, engines: Sequence[Engine], connections: Callable[[], int]) -> None:
        self._engines, self._connections = engines, connections

    def collect(self) -> Iterator[Metric]:
        connections = GaugeMetricFamily("wyoming_csm_connections", "Connections, all doors")
        connections.add_metric([], self._connections())
        yield connections
        tasks = GaugeMetricFamily(
            "wyoming_csm_tasks", "Tasks of the event loop: as many again whenever nobody is served"
        )
        tasks.add_metric([], len(asyncio.all_tasks()))
        yield tasks
        phases = GaugeMetricFamily(
            "wyoming_csm_engine_phase", "1: the engine's phase", labels=["engine", "phase"]
        )
        free = GaugeMetricFamily("wyoming_csm_slots_free", "Free slots", labels=["engine"])
        busy = GaugeMetricFamily("wyoming_csm_slots_busy", "Slots in use", labels=["engine"])
        queue = GaugeMetricFamily(
            "wyoming_csm_queue", "Sentences that wait for a slot", labels=["engine"]
        )
        taken = GaugeMetricFamily(
            "wyoming_csm_gpu_memory_taken_bytes",
            "GPU memory that the engine took, without the driver's own part",
            labels=["engine"],
        )
        total = GaugeMetricFamily(
            "wyoming_csm_gpu_memory_total_bytes", "Memory of the engine's GPU", labels=["engine"]
        )
        for engine in self._engines:
            for phase in Phase:
                phases.add_metric([engine.title, phase.value], engine.status.phase is phase)
            load = engine.load
            free.add_metric([engine.title], max(0, load.free))
            busy.add_metric([engine.title], load.slots - max(0, load.free))
            queue.add_metric([engine.title], max(0, -load.free))
            if (memory := engine.gpu_memory) is not None:
                taken.add_metric([engine.title], memory.taken)
                total.add_metric([engine.title], memory.total)
        yield from (phases, free, busy, queue)
        if taken.samples:  # where no engine has a GPU, nothing is said of one
            yield from (taken, total)
