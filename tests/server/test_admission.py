"""The lobby: who has to go when it is full."""

from dataclasses import dataclass

from wyoming_csm.config import Limits
from wyoming_csm.server.admission import ConnectionLimit


@dataclass(eq=False)
class Guest:
    address: str
    last_active: float = 0.0
    busy: bool = False


def full_lobby(*guests: Guest, total: int = 4, each: int = 3) -> ConnectionLimit[Guest]:
    lobby: ConnectionLimit[Guest] = ConnectionLimit(
        Limits(connections=total, connections_per_address=each)
    )
    for guest in guests:
        assert lobby.enter(guest) is None
    return lobby


def test_the_longest_idle_of_a_full_address_makes_room() -> None:
    idle = Guest("a", 1)
    lobby = full_lobby(Guest("a", 3), idle, Guest("a", 2))
    assert lobby.enter(Guest("a", 4)) is idle
    assert len(lobby) == 3


def test_another_address_still_gets_in_and_the_greediest_pays() -> None:
    modest, greedy = Guest("b", 0), Guest("a", 5)
    lobby = full_lobby(modest, greedy, Guest("a", 6), Guest("a", 7))
    assert lobby.enter(Guest("c", 9)) is greedy


def test_among_equally_greedy_addresses_the_longest_idle_goes() -> None:
    idle = Guest("b", 1)
    lobby = full_lobby(Guest("a", 2), Guest("a", 3), idle, Guest("b", 4))
    assert lobby.enter(Guest("c", 9)) is idle


def test_who_is_being_spoken_to_goes_last() -> None:
    idle = Guest("a", 9)
    lobby = full_lobby(Guest("a", 1, busy=True), idle, Guest("a", 2, busy=True))
    assert lobby.enter(Guest("a", 10)) is idle


def test_who_left_counts_no_more() -> None:
    first = Guest("a")
    lobby = full_lobby(first, Guest("a"), Guest("a"))
    lobby.leave(first)
    lobby.leave(first)
    assert lobby.enter(Guest("a")) is None
    assert len(lobby) == 3
