"""Who is next in a simulated fleet: trees of times and of loads, as the balancer counts these."""

from benchmarks.fleet.state import IDLE, TOUCHES, Fleet, Floats, Work

COUNTED = 1 << 26  # more than a run has changes of loads, by which equal ones are told apart


def set_least(tree: Floats, leaf: int, value: float) -> None:
    """Change a leaf of a tree whose nodes are the least below them."""
    node = leaf + len(tree) // 2
    tree[node] = value
    while node > 1:
        node //= 2
        tree[node] = min(tree[2 * node], tree[2 * node + 1])


def least(tree: Floats) -> int:
    """Return the leaf of the least value, of several the first."""
    node, half = 1, len(tree) // 2
    while node < half:
        node = 2 * node if tree[2 * node] <= tree[2 * node + 1] else 2 * node + 1
    return node - half


def change_load(f: Fleet, r: int, by: int) -> None:
    """Count a connection more or less; of equal loads the one that changed the longest ago is
    the least, as HAProxy has it."""
    f.load[r] += by
    f.counts[TOUCHES] += 1
    f.touched[r] = f.counts[TOUCHES]
    show_load(f, r)


def change_weight(f: Fleet, r: int, weight: int) -> None:
    """Give a replica another weight, after which it is the last of equal ones."""
    if weight != f.weight[r]:
        f.weight[r] = weight
        change_load(f, r, 0)


def show_load(f: Fleet, r: int) -> None:
    """Let the balancer see a replica's load by its weight, or that it is not open; HAProxy's key
    is (connections + 1) x 256 / weight in whole numbers, and 0 without connections: so small
    differences of weight count only where there are many connections."""
    seen = IDLE
    if f.open[r] and f.weight[r] > 0:
        load = f.load[r]
        seen = float(((load + 1) * 256 // f.weight[r] if load else 0) * COUNTED + f.touched[r])
    set_least(f.load_tree, r, seen)


def end_reply(f: Fleet, w: Work, r: int, reply: int, outcome: int) -> None:
    """Note what became of a reply; its connection is over."""
    f.outcome[reply] = outcome
    if w.direct[reply] < 0:
        change_load(f, r, -1)


def wake(f: Fleet, r: int, at: float) -> None:
    """Let an idle replica's loop go on at that time, unless it does sooner."""
    if not f.blocked[r] and at < f.next_at[r]:
        f.next_at[r] = at
        set_least(f.time_tree, r, at)
