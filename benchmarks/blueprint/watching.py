"""Watches what the compiler is given and makes of it, and what every frame would launch."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.blueprint import generated
from benchmarks.blueprint.kernels import recorded

_PART = re.compile(r", in (\w+_part)\b")
_ATTENTION = re.compile(r"_scaled_dot_product_(\w+?)_attention$|_attention_(math)$")
_ONE_KERNEL = {"rms_norm"}  # on a GPU; where only shapes are computed, several
_NONE = {"empty", "empty_like", "new_empty", "empty_strided", "_unsafe_view", "scalar_tensor"}


@dataclass(frozen=True)
class Compiled:
    """One compilation: of which function of `FrameParts`, for how many rows."""

    part: str
    rows: int
    code: str


@dataclass
class Watch:
    """The record. `what` is computed, and for how many `rows`, is to be set; all else is found."""

    what: str = ""
    rows: int = 0
    compiled: list[Compiled] = field(default_factory=list)
    launched: Counter[str] = field(default_factory=Counter)  # since it was last emptied
    attention: Counter[str] = field(default_factory=Counter)
    _counting: bool = False  # what is not compiled

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Remember what is compiled and compute its shapes, instead of running it."""
        import torch._inductor.compile_fx as inductor
        from torch._inductor import config
        from torch._inductor.graph import GraphLowering

        real = inductor.compile_fx

        def compile_fx(graph: torch.fx.GraphModule, inputs: Any, *args: Any, **options: Any) -> Any:
            try:
                return real(graph, inputs, *args, **options)  # with options it calls itself
            except Exception as error:
                code = _code_in(error)
            self.compiled.append(Compiled(_part_of(graph), self.rows, code))
            return self._shapes_of(graph, code)

        # What is padded is chosen by measuring, where products are not bound by memory: ours are.
        with config.patch(fx_graph_cache=False, shape_padding=False):
            inductor.compile_fx = compile_fx  # type: ignore[assignment]
            GraphLowering.save_output_code = staticmethod(_stop)
            try:
                yield
            finally:
                inductor.compile_fx = real
                GraphLowering.save_output_code = None

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Add to `launched` and `attention`."""
        self._counting = True
        try:
            with _Launches(self):
                yield
        finally:
            self._counting = False

    def _shapes_of(self, graph: torch.fx.GraphModule, code: str) -> Callable[..., Any]:
        """What stands for the compiled function: it launches what its code does."""
        launches, attention = generated.launches(code), generated.attention(code)
        known: dict[object, tuple[Any, int]] = {}  # by shapes: thirty steps are one

        def run(*args: Any) -> Any:
            shapes = tuple(arg.shape if isinstance(arg, torch.Tensor) else arg for arg in args)
            counting, self._counting = self._counting, False
            if shapes not in known:
                with _Launches(self, inside=True) as mode:
                    known[shapes] = graph.forward(*args), mode.more
            result, more = known[shapes]
            self._counting = counting
            if counting:
                self.launched += launches + Counter(products=more)
                self.attention += attention
            return result

        return run


class _Launches(TorchDispatchMode):
    """Counts what reaches a GPU's kernels: no views, and nothing of the host's."""

    def __init__(self, watch: Watch, inside: bool = False) -> None:
        """`inside` compiled code, launches are read from its text, where a product of ours is one
        operator; `more`: how many kernels such products are beyond that."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._watch, self._inside, self.more = watch, inside, 0

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Return True: otherwise everything would run uncompiled while it counts."""
        return True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        counts = self._inside or self._watch._counting
        if counts and func.namespace == "wyoming_csm" and name == "multiply":
            return self._multiply(args)
        if not self._watch._counting:
            return func(*args, **kwargs)
        if func.namespace == "aten" and name not in _ONE_KERNEL and func._can_decompose():
            with self:
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = func(*args, **kwargs)
        self._count(func, name, out)
        return out

    def _multiply(self, args: Any) -> Any:
        """Count a product's kernels, and what follows them where a matrix is read in parts."""
        from wyoming_csm.model.quantization import triton_kernels  # needs Triton

        inner = Watch()
        with recorded() as found, inner.counting():
            out = triton_kernels.multiply(*args)
        launched = len(found) + inner.launched.total()
        if self._inside:
            self.more += launched - 1
        else:
            self._watch.launched["products"] += launched
        return out

    def _count(self, func: Any, name: str, out: Any) -> None:
        attention = _ATTENTION.search(name)
        if attention:
            self._watch.attention[attention[1] or attention[2]] += 1
        if func.namespace != "aten" or func.is_view or name in _NONE:
            return
        first = out[0] if isinstance(out, tuple | list) else out
        if isinstance(first, torch.Tensor) and first.device.type == "cuda":
            self._watch.launched["eager"] += 1


class _Stop(Exception):
    """Carries the generated code out of the compiler, which would load it next."""


def _stop(code: str) -> None:
    raise _Stop(code)


def _code_in(error: Exception) -> str:
    """Return what `_stop` was given, under all that the compiler put around it.

    Raises the error if it is another.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _Stop):
            return str(cause)
        cause = getattr(cause, "inner_exception", None) or cause.__cause__ or cause.__context__
    raise error


def _part_of(graph: torch.fx.GraphModule) -> str:
    """The function of `FrameParts` that the graph was traced from."""
    for node in graph.graph.nodes:
        found = _PART.search(node.meta.get("stack_trace") or "")
        if found:
            return found[1].removesuffix("_part")
    return "unknown"
