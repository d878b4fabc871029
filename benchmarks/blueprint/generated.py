"""What is launched by the code that PyTorch's compiler generated, read from its text."""

import re
from collections import Counter
from collections.abc import Iterator

KINDS = ("triton", "products", "attention", "other")

_CALL = re.compile(r"^( *)def call\(.*\n((?:\1 +.*\n| *\n)*)", re.M)
_LAUNCH = re.compile(
    r"^\s*(?:[\w, ]+ = )?"
    r"(?:(?P<triton>\w+)\.run\(|(?P<extern>extern_kernels\.\w+)\(|torch\.ops\.(?P<op>[\w.]+)\()"
)
_KERNEL = re.compile(
    r"^(\w+) = async_compile\.triton\('\w+', '''(.*?)''', device_str=", re.S | re.M
)
_ATTENTION = re.compile(r"scaled_dot_product_(\w+?)_attention")


def launches(code: str) -> Counter[str]:
    """Count how often a call of the code launches something, by KINDS.

    What a library is asked for counts as one, though it may launch several: top-k does.
    """
    found: Counter[str] = Counter()
    for launch in _launches(code):
        if launch["triton"]:
            found["triton"] += 1
        elif launch["extern"] or "multiply" in launch["op"]:
            found["products"] += 1
        elif _ATTENTION.search(launch["op"]):
            found["attention"] += 1
        else:
            found["other"] += 1
    return found


def attention(code: str) -> Counter[str]:
    """Count what computes `scaled_dot_product_attention`: cudnn, flash, efficient."""
    ops = (launch["op"] or "" for launch in _launches(code))
    return Counter(found[1] for op in ops if (found := _ATTENTION.search(op)))


def kernels(code: str) -> dict[str, str]:
    """Source of each Triton kernel that is in it, by its name."""
    return dict(_KERNEL.findall(code))


def _launches(code: str) -> Iterator[re.Match[str]]:
    """Give the launches of the function that is called: what stands before it is loaded once.

    Raises ValueError if there is no such function.
    """
    call = _CALL.search(code)
    if call is None:
        raise ValueError("no `def call` is in the generated code: another version of PyTorch?")
    return filter(None, map(_LAUNCH.match, call[2].splitlines()))
