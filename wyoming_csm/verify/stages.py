"""What is compared, how far apart two right answers may be, and a line for each in plain words."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from wyoming_csm.verify.ours import STREAMED_FRAMES, Spoken
from wyoming_csm.verify.reference import Truth
from wyoming_csm.worker.csm.device import Precision

# Of the logits' size. Two right float32 programs differ by about 1e-6; a fault by 1e-2 and more.
_FLOAT32 = 1e-4
_TIMES = 2.0  # in a smaller type: so much further from float32 than transformers' own
_STEP = 1 / 32_768  # of a sample in 16 bits, at full scale


@dataclass(frozen=True)
class Stage:
    """One comparison: `numbers` are for the line of JSON."""

    name: str
    equal: bool
    words: str
    numbers: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name:7} {'equal' if self.equal else 'DIFFERS'}: {self.words}"


def compare(spoken: Spoken, truth: Truth, precision: Precision) -> list[Stage]:
    """Compare in the order in which things are made: the first that differs is the cause."""
    return [
        _text(spoken, truth),
        _clip(spoken, truth),
        *([_weights(truth, precision)] if truth.rounding else []),
        _logits(spoken, truth, precision),
        _frames(spoken, truth),
        _sound(spoken, truth),
    ]


def _text(spoken: Spoken, truth: Truth) -> Stage:
    ours, theirs = spoken.tokens, truth.tokens
    words = f"{len(ours)} tokens of the text"
    if ours != theirs:
        words += f"; transformers has {len(theirs)}: {theirs[:12]}, not {ours[:12]}"
    return Stage("text", ours == theirs, words, {"tokens": len(ours)})


def _clip(spoken: Spoken, truth: Truth) -> Stage:
    ours, theirs = spoken.clip_codes, truth.clip_codes
    if ours.shape != theirs.shape:
        return Stage("clip", False, f"codes {[*ours.shape]}, transformers has {[*theirs.shape]}")
    wrong = int((ours != theirs).any(dim=1).sum())
    words = f"{len(ours)} frames of codes made of the clip"
    if wrong:
        words += f", {wrong} of them other codes"
    if truth.ties:
        words += f" (ties, decided by rounding: {truth.ties})"
    numbers: dict[str, float] = {"frames": len(ours), "frames_other": wrong, "ties": truth.ties}
    return Stage("clip", not wrong, words, numbers)


def _weights(truth: Truth, precision: Precision) -> Stage:
    """Bound the rounding that both sides share: they cannot show a fault in it to each other."""
    times = torch.tensor(list(truth.rounding.values()))
    n = int(times.argmax())  # NaN counts as the largest
    worst, name = float(times[n]), list(truth.rounding)[n]
    words = (
        f"{len(times)} matrices rounded to {precision}, off by {worst:.2f} of what that allows"
        f" at most ({name})"
    )
    return Stage("weights", worst <= 1, words, {"matrices": len(times), "times": worst})


def _logits(spoken: Spoken, truth: Truth, precision: Precision) -> Stage:
    """Compare each codebook by itself: one wrong head is not to drown in 31 others."""
    ours = _errors(spoken.logits, truth.exact)
    words = f"{ours.numel()} codebooks of {spoken.logits.shape[1]} frames, codes given"
    if truth.own is None:
        worst = float(ours.max())
        words += f": {worst:.1e} of their size apart at most, {_FLOAT32:.0e} allowed"
        return Stage("logits", bool((ours <= _FLOAT32).all()), words, {"error": worst})
    theirs = _errors(truth.own, truth.exact)
    times = ours / theirs.clamp(min=_FLOAT32 / _TIMES)
    n = int(times.argmax())  # NaN counts as the largest
    type_name = str(precision.compute).removeprefix("torch.")
    words += (
        f": {float(ours[n]):.1e} of their size from float32's where transformers in"
        f" {type_name} is {float(theirs[n]):.1e}, {float(times[n]):.2f} times that at"
        f" most (codebook {n}), {_TIMES:.0f} allowed"
    )
    numbers = {
        "error": float(_errors(spoken.logits[None], truth.exact[None])),
        "error_transformers": float(_errors(truth.own[None], truth.exact[None])),
        "times": float(times[n]),
        "codebook": n,
    }
    if truth.plain is not truth.exact:
        cost = float(_errors(truth.exact[None], truth.plain[None]))
        words += f"; rounding weights to {precision} itself costs {cost:.1e}"
        numbers["quantising"] = cost
    return Stage("logits", bool((times <= _TIMES).all()), words, numbers)


def _frames(spoken: Spoken, truth: Truth) -> Stage:
    """Check that each code spoken is the likeliest for transformers too, or as near to it as two
    sets of logits that differ as much as is allowed can bring it."""
    chosen = spoken.codes.T[..., None]  # [codebooks, frames, 1]
    short = truth.exact.amax(dim=-1) - truth.exact.gather(-1, chosen)[..., 0]
    if truth.own is None:
        allowed = 2 * _FLOAT32 * truth.exact.square().mean(dim=(1, 2)).sqrt()
    else:  # of both the likeliest and the chosen one
        allowed = 2 * _TIMES * (truth.own - truth.exact).abs().amax(dim=(1, 2))
    worst, others = float(short.max()), int((short > 0).sum())
    words = f"{len(spoken.codes)} frames of {len(chosen)} codes as they are spoken"
    if others:
        words += (
            f", {others} of {short.numel()} codes not transformers' likeliest but nearly:"
            f" {worst:.1e} below its logit at most, {float(allowed.max()):.1e} allowed"
        )
    numbers = {"frames": len(spoken.codes), "codes_other": others, "below": worst}
    return Stage("frames", bool((short <= allowed[:, None]).all()), words, numbers)


def _sound(spoken: Spoken, truth: Truth) -> Stage:
    pairs = (spoken.sound, truth.sound), (spoken.clip_sound, truth.clip_sound)
    samples = min(STREAMED_FRAMES, len(spoken.clip_codes))
    words = f"the frames, and {samples} of the clip, decoded in a stream and as a whole"
    if any(ours.shape != theirs.shape for ours, theirs in pairs):
        return Stage("sound", False, f"{words}: not equally long")
    ours, theirs = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    worst = float((ours - theirs).abs().max())
    allowed = _STEP * max(1.0, float(theirs.abs().max()))
    words += f": samples {worst:.1e} apart at most, {allowed:.1e} allowed (a step of 16 bits)"
    return Stage("sound", worst <= allowed, words, {"difference": worst, "allowed": allowed})


def _errors(found: Tensor, exact: Tensor) -> Tensor:
    """Return [n], how far [n, …] is from `exact`, in parts of the size of that."""
    apart, size = (found - exact).flatten(1).norm(dim=1), exact.flatten(1).norm(dim=1)
    errors: Tensor = apart / size
    return errors
