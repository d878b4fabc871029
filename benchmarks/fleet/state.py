"""All that a simulated fleet is, as arrays: what compiled and plain Python both can work on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wyoming_csm.worker.fair_queue import MOST_WAITING

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IDLE = 1e18  # seconds: never
OPEN, SPOKEN, FELL_BACK, LOST, REFUSED = range(5)  # what became of a reply
_STEPS = 2  # in flight


class Work(NamedTuple):
    """Replies, in the order in which they come, and their sentences one after the other."""

    at: Floats  # seconds, when each reply is asked for
    first: Ints  # its first sentence; one more than replies
    frames: Ints  # of each sentence
    positions: Ints  # of each sentence's prompt that nothing is cached of
    direct: Ints  # the replica that is asked past the balancer, which does not see it; -1
    chance: Floats  # [2xreplies] in [0, 1): for balancers that throw dice


class Engine(NamedTuple):
    """What one replica has: seconds of a step for n sentences, and of a prefill."""

    step: Floats  # [slots + 1]
    prefill: Floats  # [2]: whatever it reads, and for each position
    ahead: int  # steps launched before the first is looked at
    front: float  # from the request to the child, and back with a frame; half each way
    pipe: float  # from a sentence's end to its reply's next
    by_client: bool  # the queue knows the clients apart; else all are one, as without PROXY


class Fleet(NamedTuple):
    """Replicas r, their slots s, their queues, and what became of the replies."""

    next_at: Floats  # [r] when its loop goes on; IDLE
    blocked: Ints  # [r] 1: it then takes the oldest step's frames
    # slots
    taken: Ints  # [r] how many
    sentence: Ints  # [r, s] -1: free
    owner: Ints  # [r, s] the reply
    unread: Ints  # [r, s] positions
    made: Ints  # [r, s] frames delivered
    flying: Ints  # [r, s] frames in flight
    work: Floats  # [r, s] as Sentence.work
    due: Floats  # [r, s] as Sentence.deadline
    advanced: Floats  # [r, s] as Sentence.advanced
    # the queue
    waiting: Ints  # [r] how many
    queued: Ints  # [r, q] sentences
    queued_reply: Ints  # [r, q]
    queued_at: Floats  # [r, q] when it comes to the child
    queued_due: Floats  # [r, q] as Sentence.deadline
    served: Ints  # [r] how many sentences began
    # steps in flight, the oldest first
    steps: Ints  # [r]
    step_at: Floats  # [r, 2] when its frames are there
    step_start: Floats
    step_work: Floats
    step_size: Ints
    step_pure: Ints
    step_of: Ints  # [r, 2, s] sentences; -1
    # as in Scheduler and StepPace
    given: Floats  # [r]
    offset: Floats
    landed: Floats
    prompts: Floats
    free_at: Floats  # [r] the device
    busy: Floats  # [r] seconds of the device
    # replies
    empty_at: Floats  # [reply] when its listener has played all; 0: it got nothing
    first_sound: Floats  # [reply] seconds after it was asked for; -1
    gaps: Floats  # [reply] seconds without sound inside a sentence and between two
    rank: Ints  # [reply] when it was served last, in sentences of its replica; -1
    replica: Ints  # [reply]; -1
    outcome: Ints  # [reply]
    tries: Ints  # [reply]
    # the balancer
    alive: Ints  # [r]
    open: Ints  # [r] the balancer sends to it
    load: Ints  # [r] connections
    weight: Ints  # [r] of 100
    touched: Ints  # [r] when its load changed last, as a count
    trying: Ints  # [n, 2] connections that are tried: the reply, the replica that does not answer
    trying_until: Floats  # [n]
    counts: Ints  # of everything: see the indices below
    scratch: Floats  # [slots + 1]
    time_tree: Floats  # [2xleaves]: the least below each node
    load_tree: Floats


STEPS, FRAMES, TOUCHES, MOST_TAKEN, MOST_QUEUED = range(5)  # in `Fleet.counts`


def empty_fleet(replicas: int, slots: int, replies: int) -> Fleet:
    """Return a fleet that does nothing yet, all of it open."""
    queue = slots + MOST_WAITING
    leaves = 1 << max(0, (replicas - 1).bit_length())

    def ints(*shape: int, value: int = 0) -> Ints:
        return np.full(shape, value, dtype=np.int64)

    def floats(*shape: int, value: float = 0.0) -> Floats:
        return np.full(shape, value, dtype=np.float64)

    shapes: dict[str, Any] = {
        "next_at": floats(replicas, value=IDLE),
        "sentence": ints(replicas, slots, value=-1),
        "step_of": ints(replicas, _STEPS, slots, value=-1),
        "landed": floats(replicas),
        "first_sound": floats(replies, value=-1.0),
        "rank": ints(replies, value=-1),
        "replica": ints(replies, value=-1),
        "alive": ints(replicas, value=1),
        "open": ints(replicas, value=1),
        "weight": ints(replicas, value=100),
        "trying": ints(replies + 1, 2),
        "trying_until": floats(replies + 1),
        "counts": ints(5),
        "scratch": floats(slots + 1),
        "time_tree": floats(2 * leaves, value=IDLE),
        "load_tree": floats(2 * leaves, value=IDLE),
    }
    of_slots: tuple[tuple[Callable[..., Any], str], ...] = (
        (ints, "owner unread made flying"), (floats, "work due advanced"),
    )  # fmt: skip
    groups: tuple[tuple[Callable[..., Any], str, tuple[int, ...]], ...] = (
        *((make, names, (replicas, slots)) for make, names in of_slots),
        (ints, "queued queued_reply", (replicas, queue)),
        (floats, "queued_at queued_due", (replicas, queue)),
        (ints, "step_size step_pure", (replicas, _STEPS)),
        (floats, "step_at step_start step_work", (replicas, _STEPS)),
        (ints, "blocked taken waiting served steps load touched", (replicas,)),
        (floats, "given offset prompts free_at busy", (replicas,)),
        (floats, "empty_at gaps", (replies,)),
        (ints, "outcome tries", (replies,)),
    )
    for make, names, shape in groups:
        shapes |= {name: make(*shape) for name in names.split()}
    return Fleet(**shapes)
