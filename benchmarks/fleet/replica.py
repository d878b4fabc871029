"""One simulated replica: what wyoming_csm.worker.csm's loop and scheduler decide, on arrays.

The same rules stated once more in plain loops that numba can compile; `tests/bench/test_fleet.py`
holds them to the real `FrameLoop`. Left out is what exact costs never bring about: learning what
steps cost, and failing.
"""

import math

from benchmarks.fleet.deadlines import SPARE, deadline, how_many, sort_deadlines, to_spare
from benchmarks.fleet.loads import end_reply, set_least, wake
from benchmarks.fleet.state import (
    FELL_BACK,
    FRAMES,
    IDLE,
    LOST,
    MOST_QUEUED,
    MOST_TAKEN,
    SPOKEN,
    STEPS,
    Engine,
    Fleet,
    Work,
)
from wyoming_csm.worker.csm.cost import FRAME_SECONDS, PREFILL_CHUNK
from wyoming_csm.worker.fair_queue import FIRST_SOUND_SECONDS, PATIENCE_SECONDS

FULL, PROMPT_SECONDS, STALL, MOST_CHUNKS = 0.95, 0.5, 0.5, 64  # as in cost.py and scheduler.py
REMEMBERED = 256  # clients of the fair queue


def say(f: Fleet, r: int, sentence: int, reply: int, at: float) -> bool:
    """Send a sentence to a replica, whose child gets it at that time; False: too many wait."""
    count = f.waiting[r]
    if count == f.queued.shape[1]:
        return False
    known = f.empty_at[reply]
    f.queued[r, count], f.queued_reply[r, count] = sentence, reply
    f.queued_at[r, count] = at
    f.queued_due[r, count] = max(at, known if known > 0 else at + FIRST_SOUND_SECONDS)
    f.waiting[r] = count + 1
    f.counts[MOST_QUEUED] = max(f.counts[MOST_QUEUED], count + 1)
    wake(f, r, at)
    return True


def forget(f: Fleet, r: int, q: int) -> None:
    """Take out of the queue what stands at q; the order of the rest means nothing."""
    last = f.waiting[r] - 1
    f.queued[r, q], f.queued_reply[r, q] = f.queued[r, last], f.queued_reply[r, last]
    f.queued_at[r, q], f.queued_due[r, q] = f.queued_at[r, last], f.queued_due[r, last]
    f.waiting[r] = last


def die(f: Fleet, w: Work, r: int) -> None:
    """Let all go that a replica speaks or was to speak."""
    f.alive[r] = 0
    for s in range(f.sentence.shape[1]):
        if f.sentence[r, s] >= 0:
            end_reply(f, w, r, f.owner[r, s], LOST)
            f.sentence[r, s] = -1
    for q in range(f.waiting[r]):
        end_reply(f, w, r, f.queued_reply[r, q], LOST)
    f.taken[r] = f.waiting[r] = f.steps[r] = f.blocked[r] = 0
    f.prompts[r] = f.given[r] = f.offset[r] = 0.0
    f.next_at[r] = IDLE
    set_least(f.time_tree, r, IDLE)


def give(f: Fleet, r: int, seconds: float, now: float) -> None:
    """Count work for the device, and let it do it."""
    f.offset[r] = max(f.offset[r], now - f.given[r])
    f.given[r] += seconds
    f.free_at[r] = max(f.free_at[r], now) + seconds
    f.busy[r] += seconds


def admit(f: Fleet, w: Work, e: Engine, r: int, now: float) -> None:
    """Let those begin that may; those that waited beyond patience are spoken by another engine."""
    slots = f.sentence.shape[1]
    while True:
        n = f.taken[r] + 1
        room = (FULL - f.prompts[r]) * FRAME_SECONDS
        if n > slots or (n > 1 and e.step[n] > room):
            break
        reads, free = False, -1
        for s in range(slots):
            if f.sentence[r, s] < 0:
                free = s
            elif f.unread[r, s] > 0:
                reads = True
        if reads:
            break
        best, best_rank = -1, 0
        for q in range(f.waiting[r]):
            if f.queued_at[r, q] > now:
                continue
            rank = -1
            if e.by_client:
                rank = f.rank[f.queued_reply[r, q]]
                if rank < f.served[r] - REMEMBERED:
                    rank = -1
            sooner = best >= 0 and f.queued_due[r, q] < f.queued_due[r, best]
            if best < 0 or rank < best_rank or (rank == best_rank and sooner):
                best, best_rank = q, rank
        if best < 0:
            break
        begin(f, w, r, free, best, now)
    q = 0
    while q < f.waiting[r]:
        if now > f.queued_due[r, q] + PATIENCE_SECONDS:
            end_reply(f, w, r, f.queued_reply[r, q], FELL_BACK)
            forget(f, r, q)
        else:
            q += 1


def begin(f: Fleet, w: Work, r: int, s: int, q: int, now: float) -> None:
    """Give the slot s to what stands at q in the queue."""
    reply = f.queued_reply[r, q]
    f.sentence[r, s], f.owner[r, s] = f.queued[r, q], reply
    f.unread[r, s] = w.positions[f.queued[r, q]]
    f.made[r, s] = f.flying[r, s] = 0
    f.due[r, s], f.advanced[r, s] = f.queued_due[r, q], now
    f.served[r] += 1
    f.rank[reply] = f.served[r]
    f.taken[r] += 1
    f.counts[MOST_TAKEN] = max(f.counts[MOST_TAKEN], f.taken[r])
    forget(f, r, q)


def deliver(f: Fleet, w: Work, e: Engine, r: int) -> None:
    """Take the frames of the oldest step in flight."""
    now = f.step_at[r, 0]
    took = now - max(f.step_start[r, 0], f.landed[r])
    extra = 0.0 if f.step_pure[r, 0] else max(0.0, took - e.step[f.step_size[r, 0]])
    faded = math.exp((f.landed[r] - now) / PROMPT_SECONDS)
    f.prompts[r] = f.prompts[r] * faded + extra / PROMPT_SECONDS
    f.landed[r], f.offset[r] = now, now - f.step_work[r, 0]
    for s in range(f.sentence.shape[1]):
        sentence = f.step_of[r, 0, s]
        if sentence >= 0 and sentence == f.sentence[r, s]:
            f.flying[r, s] -= 1
            if f.made[r, s] < w.frames[sentence]:
                sound(f, w, e, r, s, now)
            else:
                leave(f, w, e, r, s, now)
    f.steps[r] -= 1
    for to in range(f.steps[r]):
        f.step_at[r, to], f.step_start[r, to] = f.step_at[r, to + 1], f.step_start[r, to + 1]
        f.step_work[r, to], f.step_size[r, to] = f.step_work[r, to + 1], f.step_size[r, to + 1]
        f.step_pure[r, to] = f.step_pure[r, to + 1]
        for s in range(f.sentence.shape[1]):
            f.step_of[r, to, s] = f.step_of[r, to + 1, s]


def sound(f: Fleet, w: Work, e: Engine, r: int, s: int, now: float) -> None:
    """Send a frame to the listener of slot s."""
    reply = f.owner[r, s]
    if f.first_sound[reply] < 0:
        f.first_sound[reply] = now + e.front / 2 - w.at[reply]
    if 0 < f.empty_at[reply] < now:
        f.gaps[reply] += now - f.empty_at[reply]
    f.empty_at[reply] = max(now, f.empty_at[reply]) + FRAME_SECONDS
    f.due[r, s] = f.empty_at[reply]
    f.made[r, s] += 1
    f.counts[FRAMES] += 1


def leave(f: Fleet, w: Work, e: Engine, r: int, s: int, now: float) -> None:
    """Free the slot s: its sentence is over, and the reply's next is asked for, if it has one."""
    sentence, reply = f.sentence[r, s], f.owner[r, s]
    f.sentence[r, s] = -1
    f.taken[r] -= 1
    if sentence + 1 == w.first[reply + 1]:
        end_reply(f, w, r, reply, SPOKEN)
    elif not say(f, r, sentence + 1, reply, now + e.pipe):
        end_reply(f, w, r, reply, FELL_BACK)


def read(f: Fleet, e: Engine, r: int, now: float) -> bool:
    """Read as much of a waiting prompt as there is time for; False: nothing."""
    slot = -1
    for s in range(f.sentence.shape[1]):
        if f.sentence[r, s] >= 0 and f.unread[r, s] > 0:
            slot = s
    if slot < 0:
        return False
    positions, count = f.unread[r, slot], sort_deadlines(f, r)
    if count:
        ready, whole = max(now, f.offset[r] + f.given[r]), e.step[count + 1]
        best = -IDLE
        for n in range(1, count + 1):
            best = max(best, to_spare(f.scratch, 0, count, n, ready + e.step[n + 1], whole))
        chunks = 0
        while chunks < MOST_CHUNKS and (
            e.prefill[0] + e.prefill[1] * PREFILL_CHUNK * (chunks + 1) <= best - 2 * SPARE
        ):
            chunks += 1
        if chunks == 0 and now >= f.advanced[r, slot] + STALL:
            chunks = 1
        positions = min(positions, chunks * PREFILL_CHUNK)
    if positions == 0:
        return False
    f.unread[r, slot] -= positions
    f.advanced[r, slot] = now
    give(f, r, e.prefill[0] + e.prefill[1] * positions, now)
    return True


def launch(f: Fleet, e: Engine, r: int, now: float, pure: bool) -> bool:
    """Launch a frame for those that are to get one; False: nobody speaks."""
    count = sort_deadlines(f, r)
    if count == 0:
        return False
    size = how_many(f, count, max(now, f.offset[r] + f.given[r]), e.step)
    line, at, chosen = f.scratch[size - 1], f.steps[r], 0
    for s in range(f.sentence.shape[1]):
        speaks = f.sentence[r, s] >= 0 and f.unread[r, s] <= 0
        takes_part = speaks and chosen < size and deadline(f, r, s) <= line
        f.step_of[r, at, s] = f.sentence[r, s] if takes_part else -1
        chosen += takes_part
    give(f, r, e.step[size], now)
    for s in range(f.sentence.shape[1]):
        if f.step_of[r, at, s] >= 0:
            f.flying[r, s] += 1
            f.work[r, s] = f.given[r]
    f.step_at[r, at], f.step_start[r, at], f.step_work[r, at] = f.free_at[r], now, f.given[r]
    f.step_size[r, at], f.step_pure[r, at] = size, pure
    f.steps[r] = at + 1
    f.counts[STEPS] += 1
    return True


def turn(f: Fleet, w: Work, e: Engine, r: int, now: float) -> None:
    """Let a replica's loop go on until it has to wait, for frames or for a sentence."""
    if f.blocked[r]:
        deliver(f, w, e, r)
    while True:
        admit(f, w, e, r, now)
        pure = not read(f, e, r, now)
        launched = launch(f, e, r, now, pure)
        if f.steps[r] > (e.ahead if launched else 0):
            f.blocked[r], f.next_at[r] = 1, f.step_at[r, 0]
            break
        if not launched:
            f.blocked[r], f.next_at[r] = 0, IDLE
            for q in range(f.waiting[r]):
                f.next_at[r] = min(f.next_at[r], max(now, f.queued_at[r, q]))
            break
    set_least(f.time_tree, r, f.next_at[r])
