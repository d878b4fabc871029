"""What goes wrong in a fleet, as events: a replica killed, a zone lost, a version rolled out."""

from benchmarks.fleet import balancer
from benchmarks.fleet.simulate import Event

SEEN_SECONDS = 9.0  # three of HAProxy's checks, two seconds each, a second apart: all is silent
LOAD_SECONDS = 60.0  # from an order to a replica with warm weights
DRAIN_SECONDS = 30.0  # longer than the longest reply


def killed(replica: int, at: float, back_after: float = LOAD_SECONDS) -> list[Event]:
    """One replica dies, and another one stands for it after it was loaded."""
    return [
        Event(at, replica, balancer.DIES),
        Event(at + SEEN_SECONDS, replica, balancer.SEEN_DOWN),
        Event(at + back_after, replica, balancer.UP),
    ]


def zone_lost(replicas: int, zones: int, at: float, back_after: float) -> list[Event]:
    """Every replica of one of the zones dies at once."""
    lost = range(0, replicas, zones)
    return [event for replica in lost for event in killed(replica, at, back_after)]


def rollout(replicas: int, at: float, at_once: int = 1) -> list[Event]:
    """All are replaced, so many at once: each ends what it speaks, and loads."""
    events, took = [], DRAIN_SECONDS + LOAD_SECONDS
    for replica in range(replicas):
        begins = at + took * (replica // at_once)
        events += [
            Event(begins, replica, balancer.DRAINS),
            Event(begins + DRAIN_SECONDS, replica, balancer.DIES),
            Event(begins + took, replica, balancer.UP),
        ]
    return events
