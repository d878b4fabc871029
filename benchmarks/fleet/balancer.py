"""The balancer in front of simulated replicas: where a reply goes, and the whole fleet's clock."""

from benchmarks.fleet.loads import change_load, change_weight, end_reply, least, show_load
from benchmarks.fleet.replica import die, say, turn
from benchmarks.fleet.state import FELL_BACK, IDLE, LOST, REFUSED, Engine, Fleet, Floats, Ints, Work

LEAST, RANDOM, TWO = range(3)  # balancers
DRAINS, DIES, SEEN_DOWN, UP = range(4)  # what happens to a replica
HALF, ALL = range(2)  # forms of weights
MOST_TRIES = 4  # HAProxy's three retries


def choose(f: Fleet, balancer: int, one: float, other: float) -> int:
    """Return the replica that gets a reply; -1: none is open."""
    if balancer == LEAST:
        r = least(f.load_tree)
        return r if r < len(f.open) and f.open[r] and f.weight[r] > 0 else -1
    first = nth_open(f, one)
    if balancer == RANDOM or first < 0:
        return first
    second = nth_open(f, other)
    busier = f.load[first] * f.weight[second] > f.load[second] * f.weight[first]
    return second if busier else first


def nth_open(f: Fleet, chance: float) -> int:
    """Return an open replica by a number in [0, 1); -1: there is none."""
    count = len(f.open)
    at = int(chance * count)
    for step in range(count):
        r = (at + step * 7919) % count if count % 7919 else (at + step) % count
        if f.open[r] and f.weight[r] > 0:
            return r
    return -1


def arrive(f: Fleet, w: Work, e: Engine, reply: int, now: float, rules: Ints) -> int:
    """Give a reply to a replica; return one that does not answer, or -1."""
    tried = f.tries[reply]
    f.tries[reply] = tried + 1
    half = len(w.at)
    shift = 0.61803398875 * tried
    one, other = (w.chance[reply] + shift) % 1.0, (w.chance[half + reply] + shift) % 1.0
    direct = w.direct[reply]
    r = direct if direct >= 0 else choose(f, rules[0], one, other)
    if r < 0 or f.load[r] >= rules[1]:
        f.outcome[reply] = REFUSED
        return -1
    f.replica[reply] = r
    if direct < 0:
        change_load(f, r, 1)
    if not f.alive[r]:
        return r
    if not say(f, r, w.first[reply], reply, now + e.front / 2):
        end_reply(f, w, r, reply, FELL_BACK)  # the server's next engine speaks it at once
    return -1


def happen(f: Fleet, w: Work, r: int, kind: int) -> None:
    """Let something happen to a replica: it drains, dies, is seen to be down, is there again."""
    if kind == DIES:
        die(f, w, r)
    elif kind == UP:
        f.alive[r] = 1
    if kind != DIES:
        f.open[r] = 1 if kind == UP else 0
    show_load(f, r)


def poll(f: Fleet, r: int, form: int) -> None:
    """Set a replica's weight as its agent says it: by all of its free slots, or as
    `wyoming_csm.server.agent.percent` has it, from 100 with all free to 50 with none."""
    slots = f.sentence.shape[1]
    free = slots - f.taken[r] - f.waiting[r]
    if form == ALL:
        weight = 100 * free // slots
    elif free >= 0:
        weight = round(50 + 50 * free / slots)
    else:
        weight = round(50 * slots / (slots - 2 * free))
    change_weight(f, r, max(1, weight))


def run(
    f: Fleet, w: Work, e: Engine, rules: Ints, seconds: Floats, events_at: Floats, events: Ints
) -> float:
    """Run until all is said, and return the time.

    `rules`: the balancer, the most connections of a replica, the form of weights. `seconds`: for
    which a connection to a replica that does not answer is tried, and between two looks at each
    replica's weight (0: it has none). `events`: [n, 2] replicas and what happens to them at
    `events_at`.
    """
    replies, replicas = len(w.at), len(f.open)
    for r in range(replicas):
        show_load(f, r)
    next_reply = next_event = tried = untried = polled = 0
    ring = len(f.trying_until)  # connections that are tried, the oldest first
    look = seconds[1] / replicas if seconds[1] > 0 else IDLE
    poll_at = look
    now = 0.0
    while True:
        r = least(f.time_tree)
        turn_at = f.time_tree[len(f.time_tree) // 2 + r]
        reply_at = w.at[next_reply] if next_reply < replies else IDLE
        event_at = events_at[next_event] if next_event < len(events_at) else IDLE
        again_at = f.trying_until[untried % ring] if untried < tried else IDLE
        at = min(turn_at, reply_at, again_at)
        if at >= IDLE:  # nothing is left to be said, whatever happens
            return now
        now = min(at, event_at, poll_at)
        if now == event_at:
            happen(f, w, events[next_event, 0], events[next_event, 1])
            next_event += 1
        elif now == turn_at:
            turn(f, w, e, r, now)
        elif now == poll_at:
            poll(f, polled, rules[2])
            polled = (polled + 1) % replicas
            poll_at += look
        else:
            reply = next_reply
            if now == again_at:
                reply = f.trying[untried % ring, 0]
                if w.direct[reply] < 0:
                    change_load(f, f.trying[untried % ring, 1], -1)
                untried += 1
            else:
                next_reply += 1
            if f.tries[reply] >= MOST_TRIES:
                f.outcome[reply] = LOST
                continue
            deaf = arrive(f, w, e, reply, now, rules)
            if deaf >= 0:
                f.trying_until[tried % ring] = now + seconds[0]
                f.trying[tried % ring, 0], f.trying[tried % ring, 1] = reply, deaf
                tried += 1
