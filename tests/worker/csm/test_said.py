"""What a listener got from the cache is as much context for CSM as if it had said it itself."""

from pathlib import Path

import msgspec
import pytest
import torch

from tests.worker.csm.runners import CODEBOOKS, END, FRAMES, SOME, Talk, say, voice_of
from wyoming_csm.config import ConversationConfig, CsmConfig
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.worker.csm.device import Precision
from wyoming_csm.worker.csm.identity import identify
from wyoming_csm.worker.csm.load import speaker_files
from wyoming_csm.worker.csm.scheduler import Sentence
from wyoming_csm.worker.protocol import Said

pytestmark = pytest.mark.usefixtures("thread")

ANNA = voice_of("anna")


@pytest.fixture
def recordings() -> dict[str, torch.Tensor]:
    return {"anna": torch.arange(10 * CODEBOOKS).reshape(10, CODEBOOKS) % 50}


def talk(checkpoint: Path, data: Path, recordings: dict[str, torch.Tensor], **more: object) -> Talk:
    return Talk(checkpoint, data, recordings, **more)  # type: ignore[arg-type]


def spoken(one: Talk, text: str, *said: Said, reply: int = 1) -> Sentence:
    asked = msgspec.structs.replace(say(1, reply, text, ANNA), said=said)
    sentence = one.start(asked)
    one.finish(sentence)
    return sentence


def told(text: str, sentence: Sentence) -> Said:
    assert sentence.whole
    return Said(text, sentence.frames)


@pytest.mark.parametrize("context_seconds", [20.0, 1.5, 0.5, 0.0])
def test_the_prompt_is_the_same_as_of_who_spoke_it(
    checkpoint: Path,
    tmp_path: Path,
    recordings: dict[str, torch.Tensor],
    context_seconds: float,
) -> None:
    """Also where only so much is remembered: a sentence takes half a second."""
    texts = ("It is cold.", "Snow is coming.", "Take a coat.", "And a hat.", "Or two.")
    alone = talk(checkpoint, tmp_path, recordings, context_seconds=context_seconds)
    own = [spoken(alone, text) for text in texts]
    other = talk(checkpoint, tmp_path, recordings, context_seconds=context_seconds)
    before = (told(text, one) for text, one in zip(texts[:3], own[:3], strict=True))
    fourth = spoken(other, texts[3], *before)
    fifth = spoken(other, texts[4])
    assert torch.equal(fourth.prompt, own[3].prompt)
    assert torch.equal(fifth.prompt, own[4].prompt)
    assert (fourth.seed, fourth.frames) == (own[3].seed, own[3].frames)


def test_in_the_middle_only_what_is_new_is_read(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, torch.Tensor]
) -> None:
    one = talk(checkpoint, tmp_path, recordings)
    first = spoken(one, "It is cold.")
    second = told("Snow is coming.", first)
    third = spoken(one, "Take a coat.", second)
    own = one.own("Snow is coming.") + FRAMES + 1 + one.own("Take a coat.")
    assert one.computed[-1] == own
    assert len(third.prompt) == len(first.prompt) + FRAMES + 1 + own


@pytest.mark.parametrize("codes", [b"\0", b"\xff\x7f" * CODEBOOKS], ids=["half a frame", "unknown"])
def test_what_cannot_be_read_is_no_context(
    checkpoint: Path,
    tmp_path: Path,
    recordings: dict[str, torch.Tensor],
    codes: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = talk(checkpoint, tmp_path, recordings)
    alone = spoken(one, "It is cold.")
    beside = spoken(one, "It is cold.", Said("Hello.", codes), reply=2)
    assert torch.equal(alone.prompt, beside.prompt)
    assert "is no context" in caplog.text


def test_only_what_ended_by_itself_in_a_voice_that_stays_is_whole(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, torch.Tensor]
) -> None:
    one = talk(checkpoint, tmp_path, recordings, guard="sound", max_seconds=2.0)
    one.follow(SOME, SOME, SOME)  # then the model's own, which does not end
    cut = spoken(one, "It is cold.")
    assert (cut.whole, cut.frames) == (False, b"")
    plain = talk(checkpoint, tmp_path, recordings)
    assert spoken(plain, "It is cold.").whole
    bare = plain.start(say(2, 2, "It is cold."))
    plain.finish(bare)
    assert (bare.whole, bare.frames) == (False, b""), "a speaker without a prompt"
    stopped = plain.start(say(3, 3, "It is cold.", ANNA))
    plain.step(stopped)
    plain.release(stopped)
    assert not stopped.whole


def test_an_end_at_once_is_not_whole(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, torch.Tensor]
) -> None:
    one = talk(checkpoint, tmp_path, recordings)
    one.follow(END)
    assert not spoken(one, "It is cold.").whole


def test_what_changes_the_sound_changes_the_identity(checkpoint: Path, tmp_path: Path) -> None:
    files = Checkpoint(checkpoint)
    exact = Precision("float32", "float32", torch.float32)
    speakers = speaker_files(files, tmp_path / "speakers")

    def identity(
        precision: Precision = exact, temperature: float = 0.9, top_k: int = 50, **settings: object
    ) -> str:
        config = msgspec.convert(settings, CsmConfig)
        sampling = Sampling(temperature, depth_top_k=top_k)
        alone = ConversationConfig()
        return identify(files, config, precision, sampling, speakers, alone).identity

    same = identity()
    assert identity(slots=2, checkpoint="elsewhere", prompt_cache_mb=1) == same
    others = [
        identity(seed=1),
        identity(clip_loudness=None),
        identity(context_seconds=5),
        identity(Precision("int8", "float32", torch.float32)),
        identity(temperature=0.5),
        identity(top_k=5),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_in_a_conversation_nothing_is_like_another(checkpoint: Path, tmp_path: Path) -> None:
    """What is found without the child would be no turn, and sound as in another conversation."""
    files = Checkpoint(checkpoint)
    made = CsmConfig(), Precision("float32", "float32", torch.float32), Sampling()
    speakers = speaker_files(files, tmp_path / "speakers")
    told = identify(files, *made, speakers, ConversationConfig(turns=3))
    assert told.identity == ""
    assert told.speakers == identify(files, *made, speakers, ConversationConfig()).speakers
