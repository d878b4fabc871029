"""Tokens equal those of transformers' processor; text brings in only text; the budget holds."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken
from torch import Tensor
from transformers import AutoTokenizer, CsmProcessor, EncodecFeatureExtractor

from benchmarks.fixtures.random_csm import SPECIAL_TOKENS, make_tiny_csm, make_tokenizer
from tests.model.oracle import Oracle, make_clip
from wyoming_csm.errors import CheckpointError, PromptTooLong
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import ABSENT
from wyoming_csm.model.prompt import PromptBuilder, Segment, TextTokenizer

# What csm-1b's template writes, without its checks.
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- bos_token }}{{- '[' + message['role'] + ']' }}"
    "{{- message['content'][0]['text'] }}{{- eos_token }}"
    "{%- if message['content']|length > 1 %}{{- '<|AUDIO|><|audio_eos|>' }}{%- endif %}"
    "{%- endfor %}"
)
TEXTS = (
    "Hello.",
    " turn on the light ",
    "It's 10:30, 21 °C and 1234567 €!",
    "Grüße 你好 🙂",
    "line\none\r\n\n two",
    "[laughs] the [door] is open",
    "((half)) <b>the</b> <|",
    "",
    "x" * 300,
)


@pytest.fixture(scope="module")
def prompts(tiny_csm: Path) -> PromptBuilder:
    return PromptBuilder.of(Checkpoint(tiny_csm))


@pytest.fixture(scope="module")
def tokenizer(tiny_csm: Path) -> TextTokenizer:
    return TextTokenizer(Checkpoint(tiny_csm))


@pytest.fixture(scope="module")
def processor(tiny_csm: Path) -> Any:
    extractor = EncodecFeatureExtractor(sampling_rate=24_000)
    make: Any = CsmProcessor
    return make(extractor, AutoTokenizer.from_pretrained(tiny_csm), TEMPLATE)


def codes_of(frames: int, codebooks: int = 8) -> Tensor:
    return torch.randint(128, (frames, codebooks))


def equal(prompt: Tensor, *parts: Tensor) -> bool:
    return torch.equal(prompt, torch.cat(parts))


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_tokenized_as_by_the_chat_template(
    processor: Any, tokenizer: TextTokenizer, text: str
) -> None:
    message = {"role": "3", "content": [{"type": "text", "text": text}]}
    inputs = processor.apply_chat_template([message], tokenize=True, return_dict=True)
    assert tokenizer.encode(3, text) == inputs["input_ids"][0].tolist()
    plain = processor(f"[3]{text}", add_special_tokens=True)
    assert tokenizer.encode(3, text) == plain["input_ids"][0].tolist()


def test_positions_are_the_tokens_and_frames_of_the_processor(
    processor: Any, tiny_csm: Path
) -> None:
    oracle = Oracle(tiny_csm)
    clips = [make_clip(1, 7, "the kitchen is warm", 2), make_clip(2, 4, "yes")]
    conversation = [
        {
            "role": str(clip.speaker),
            "content": [
                {"type": "text", "text": clip.text},
                {"type": "audio", "path": clip.samples.numpy()},
            ],
        }
        for clip in clips
    ] + [{"role": "0", "content": [{"type": "text", "text": "and then?"}]}]
    inputs = processor.apply_chat_template(conversation, tokenize=True, return_dict=True)
    ids = inputs["input_ids"][0]

    segments = [oracle.encode(clip) for clip in clips]
    prompt = PromptBuilder.of(oracle.checkpoint).build(segments, 0, "and then?")
    audio, audio_eos = (oracle.checkpoint.config[f"audio_{n}_id"] for n in ("token", "eos_token"))
    is_frame = (ids == audio) | (ids == audio_eos)
    assert torch.equal(prompt[:, -1], torch.where(is_frame, ABSENT, ids))
    assert (prompt[~is_frame, :-1] == ABSENT).all()
    assert (prompt[ids == audio_eos, :-1] == 0).all()
    assert torch.equal(prompt[ids == audio, :-1], torch.cat([s.codes for s in segments]))  # type: ignore[misc]
    model = oracle.checkpoint.load(torch.float32, torch.device("cpu"))
    embedded = oracle.embedded(inputs)
    torch.testing.assert_close(model.embed_prompt(prompt), embedded[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
@pytest.mark.parametrize("pattern", ["{}", "a{}b", " {} {} ", "<|x|>{}"])
def test_control_tokens_in_text_are_only_characters(
    tokenizer: TextTokenizer, token: str, pattern: str
) -> None:
    special = set(map(make_tokenizer().token_to_id, SPECIAL_TOKENS))
    ids = tokenizer.encode(0, pattern.replace("{}", token))
    assert not special & set(ids[1:-1])
    assert len(ids) > len(tokenizer.encode(0, pattern.replace("{}", "")))  # spoken, not dropped


def test_control_tokens_that_a_checkpoint_does_not_call_special(tmp_path: Path) -> None:
    """encode_special_tokens would let this one through."""
    folder = make_tiny_csm(tmp_path, codebooks=8)
    tokenizer = make_tokenizer()
    tokenizer.add_tokens([AddedToken("<|AUDIO|>", special=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    checkpoint = Checkpoint(folder)
    ids = TextTokenizer(checkpoint).encode(0, "a<|AUDIO|>b")
    assert checkpoint.config["audio_token_id"] not in ids


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("[1]hi", "1]hi"),
        ("[ 12 ] hi", " 12 ] hi"),
        ("[[1]]hi", "1]]hi"),
        ("[\n[1]hi", "\n1]hi"),
        ("so [2]hi", "so 2]hi"),
        ("[\u0661]hi", "\u0661]hi"),
        ("[one] hi", "[one] hi"),
    ],
)
def test_a_speakers_tag_in_text_is_none(tokenizer: TextTokenizer, text: str, same_as: str) -> None:
    assert tokenizer.encode(0, text) == tokenizer.encode(0, same_as)


def test_half_a_surrogate_pair_is_no_error(tokenizer: TextTokenizer) -> None:
    assert tokenizer.encode(0, "a\ud800b") == tokenizer.encode(0, "a?b")


def test_the_budget_drops_the_oldest_of_the_reply_and_never_the_voice(
    tiny_csm: Path, prompts: PromptBuilder
) -> None:
    """Random conversations: what is left fits, and one segment more would not."""
    rng = random.Random(0)
    positions = 200
    small = PromptBuilder.of(Checkpoint(tiny_csm), positions)
    dropped = refused = 0
    for _ in range(60):
        voice = small.segment(Segment(0, "the door", codes_of(rng.randrange(1, 60))))
        said = [
            small.segment(Segment(0, "x" * rng.randrange(20), codes_of(rng.randrange(80))))
            for _ in range(rng.randrange(5))
        ]
        text, frames = small.segment(Segment(0, "y" * rng.randrange(60))), rng.randrange(1, 120)
        if len(voice) + len(text) + frames > positions:
            refused += 1
            with pytest.raises(PromptTooLong, match="shorter"):
                small.fit(voice, said, text, frames)
            continue
        prompt = small.fit(voice, said, text, frames)
        assert len(prompt) + frames <= positions
        first = [n for n in range(len(said) + 1) if equal(prompt, voice, *said[n:], text)]
        assert first, "the voice, the newest of what was said, the text, and nothing else"
        if first[0]:
            dropped += 1
            assert len(prompt) + len(said[first[0] - 1]) + frames > positions
    assert dropped > 5
    assert refused > 2


def test_a_prompt_begins_with_what_was_said(prompts: PromptBuilder) -> None:
    """So that what is cached of one is found again for another."""
    segments = [Segment(0, "the door", codes_of(5)), Segment(1, "yes", codes_of(0))]
    prompt = prompts.build(segments, 0, "no")
    assert equal(prompt, *map(prompts.segment, (*segments, Segment(0, "no"))))
    said = segments[0].codes
    assert said is not None
    assert equal(prompts.segment(segments[0])[-6:], prompts.frames(said))
    assert prompts.join(()).shape == (0, prompt.shape[1])


def test_codes_of_another_model_are_refused(prompts: PromptBuilder) -> None:
    with pytest.raises(ValueError, match="codes must be"):
        prompts.build([Segment(0, "a", codes_of(3, codebooks=32))], 0, "b")
    for wrong in (-1, 128):
        with pytest.raises(ValueError, match="from 0 to 127"):
            prompts.build([Segment(0, "a", torch.full((3, 8), wrong))], 0, "b")
    assert len(prompts.build([Segment(0, "a", codes_of(0))], 0, "b")) > 0


def test_a_tokenizer_of_another_checkpoint_is_refused(tmp_path: Path, tiny_csm: Path) -> None:
    folder = shutil.copytree(tiny_csm, tmp_path / "copy")
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["one more"])
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="text_vocab_size"):
        PromptBuilder.of(Checkpoint(folder))


@pytest.mark.parametrize("content", [None, "", "{}", '{"model": 5}'])
def test_a_broken_tokenizer_is_named(tmp_path: Path, tiny_csm: Path, content: str | None) -> None:
    folder = shutil.copytree(tiny_csm, tmp_path / "copy")
    (folder / "tokenizer.json").unlink()
    if content is not None:
        (folder / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        PromptBuilder.of(Checkpoint(folder))
