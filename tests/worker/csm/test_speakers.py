"""speaker_0 and its like: a sentence that is made once is their voice, after any restart."""

import shutil
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.worker.csm.runners import END, SOME, SPEAKER, Talk, say, voice_of
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.speaker_files import Reference, SpeakerFiles, reroll
from wyoming_csm.worker.csm.speakers import TEXT

pytestmark = pytest.mark.usefixtures("thread")

LENGTH = 30  # frames of a reference


def talk_with(checkpoint: Path, data: Path, **settings: object) -> Talk:
    talk = Talk(checkpoint, data, **{"max_seconds": 4.0, **settings})  # type: ignore[arg-type]
    talk.generator.script = {LENGTH: END}
    return talk


def speaker(number: int) -> Voice:
    return msgspec.structs.replace(SPEAKER, name=f"speaker_{number}", speaker=str(number))


def idle(talk: Talk) -> None:
    while talk.runner.idle():
        pass


def read(talk: Talk, number: int, voice: Voice = SPEAKER, text: str = "yes") -> int:
    """The positions before a reply's own text; it is not spoken."""
    talk.release(talk.start(say(number, number, text, voice)))
    talk.runner.end_reply(number)
    return talk.computed[-1] - talk.own(text)


def prompt(talk: Talk, number: int, voice: Voice = SPEAKER) -> Tensor:
    """That of a reply, which is not spoken."""
    sentence = talk.start(say(number, number, "yes", voice))
    talk.release(sentence)
    talk.runner.end_reply(number)
    return sentence.prompt


def stored(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((data / "speakers").glob("*.json"))}


def test_a_speaker_says_a_sentence_that_stays_its_prompt(checkpoint: Path, tmp_path: Path) -> None:
    """Made after the first use; the first itself goes without."""
    talk = talk_with(checkpoint, tmp_path, cached=0)
    assert read(talk, 1) == 0
    idle(talk)
    prompt = talk.own(TEXT) + LENGTH + 1
    assert read(talk, 2) == prompt
    assert read(talk, 3, speaker(1)) == 0, "each has its own"
    idle(talk)
    assert read(talk, 4, speaker(1)) == prompt
    one, other = stored(tmp_path).values()
    assert one != other


def test_the_codes_are_the_same_after_a_restart_and_a_reinstall(
    checkpoint: Path, tmp_path: Path
) -> None:
    first = talk_with(checkpoint, tmp_path / "data", cached=0)
    read(first, 1)
    idle(first)
    before = first.start(say(2, 2, "yes")).prompt
    files = stored(tmp_path / "data")
    moved = shutil.copytree(checkpoint, tmp_path / "elsewhere")
    again = talk_with(moved, tmp_path / "data", cached=0)
    assert again.start(say(1, 1, "yes")).prompt.equal(before), "already the first sentence"
    idle(again)
    assert stored(tmp_path / "data") == files
    elsewhere = talk_with(checkpoint, tmp_path / "other", cached=0)
    read(elsewhere, 1)
    idle(elsewhere)
    assert stored(tmp_path / "other") == files, "the seed is the same everywhere"


def test_another_checkpoint_has_speakers_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    talk = talk_with(checkpoint, tmp_path)
    read(talk, 1)
    idle(talk)
    other = make_tiny_csm(tmp_path / "tiny", seed=5, codebooks=8)
    assert Checkpoint(other).digest != Checkpoint(checkpoint).digest
    assert read(talk_with(other, tmp_path), 1) == 0


def test_a_reply_goes_on_as_it_began(checkpoint: Path, tmp_path: Path) -> None:
    """Also if its speaker's sentence is made between two of its own."""
    talk = talk_with(checkpoint, tmp_path, cached=0)
    talk.release(talk.start(say(1, 1, "yes")))
    idle(talk)
    talk.release(talk.start(say(2, 1, "yes")))
    assert talk.computed == [talk.own("yes")] * 2
    assert read(talk, 3) > 0, "the next reply has it"


def test_a_sentence_that_comes_meanwhile_does_not_wait(checkpoint: Path, tmp_path: Path) -> None:
    talk = talk_with(checkpoint, tmp_path, cached=0)
    read(talk, 1)
    for _ in range(5):
        assert talk.runner.idle()
    assert read(talk, 2) == 0
    assert stored(tmp_path) == {}
    idle(talk)
    assert read(talk, 3) > 0, "it was begun anew"


@pytest.mark.parametrize(
    "damage", ["{", '{"text": "", "codes": []}', '{"text": "", "codes": [[1]]}']
)
def test_a_damaged_file_is_made_anew(checkpoint: Path, tmp_path: Path, damage: str) -> None:
    talk = talk_with(checkpoint, tmp_path, cached=0)
    read(talk, 1)
    idle(talk)
    before = stored(tmp_path)
    (tmp_path / "speakers" / next(iter(before))).write_text(damage)
    again = talk_with(checkpoint, tmp_path, cached=0)
    assert read(again, 1) == 0
    idle(again)
    assert stored(tmp_path) == before


def test_a_file_of_codes_that_no_codebook_has_is_no_prompt(tmp_path: Path) -> None:
    """On a GPU such a code would end the process."""
    files = SpeakerFiles(tmp_path / "speakers", "abc", 2, 16)
    for worst, usable in ((15, True), (16, False), (-1, False)):
        files.store(0, Reference("hello", [[0, worst]]))
        assert (files.look(0).reference is not None) is usable
        if usable:
            next((tmp_path / "speakers").iterdir()).unlink()


def test_a_reroll_is_another_voice_and_a_running_server_has_it_soon(
    checkpoint: Path, tmp_path: Path
) -> None:
    """In a quiet moment that nobody asks for anything in; until then it speaks as before."""
    talk = talk_with(checkpoint, tmp_path, cached=0)
    for number, voice in enumerate((SPEAKER, speaker(1))):
        read(talk, number, voice)
        idle(talk)
    before, old = stored(tmp_path), prompt(talk, 3)
    reroll(tmp_path / "speakers", 0)
    assert prompt(talk, 4).equal(old), "no voice that nobody knows"
    idle(talk)
    after, new = stored(tmp_path), prompt(talk, 5)
    assert before.keys() == after.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert [name.rpartition("-")[2] for name in changed] == ["0.json"]
    assert len(new) == len(old)
    assert not new.equal(old)
    idle(talk)
    assert stored(tmp_path) == after, "once"
    again = talk_with(checkpoint, tmp_path, cached=0)
    assert prompt(again, 1).equal(new), "after a restart, too"


def test_an_idle_server_notices_a_reroll_by_itself(checkpoint: Path, tmp_path: Path) -> None:
    """Also of a speaker that it never spoke with, and twice, and amid the making of it."""
    talk = talk_with(checkpoint, tmp_path)
    idle(talk)
    assert stored(tmp_path) == {}
    seen = []
    for times in range(3):
        reroll(tmp_path / "speakers", 2)
        assert talk.runner.idle()
        if times == 2:  # it is being made
            reroll(tmp_path / "speakers", 2)
        idle(talk)
        seen.append(prompt(talk, times, speaker(2)))
    assert len(seen[0]) > LENGTH
    assert not any(one.equal(other) for one, other in pairwise(seen))
    seed = int((tmp_path / "speakers/2.seed").read_text())
    assert any(str(seed).encode() in made for made in stored(tmp_path).values()), "of the last"


def test_replicas_that_make_a_speaker_at_once_have_one_voice(
    checkpoint: Path, tmp_path: Path
) -> None:
    """Each on a GPU of its own, where the same seed may sound otherwise; one file counts."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other/speakers").symlink_to(tmp_path / "speakers")
    one, other = (talk_with(checkpoint, data) for data in (tmp_path, tmp_path / "other"))
    other.generator.script = {LENGTH + 3: END}
    reroll(tmp_path / "speakers", 0)
    assert one.runner.idle()
    assert other.runner.idle(), "both have begun"
    idle(one)
    made = stored(tmp_path)
    idle(other)
    assert stored(tmp_path) == made
    found = prompt(one, 1)
    assert len(found) > LENGTH
    assert prompt(other, 1).equal(found)


def test_a_reroll_of_which_no_try_is_good_changes_nothing(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    talk = talk_with(checkpoint, tmp_path)
    read(talk, 1)
    idle(talk)
    old = prompt(talk, 2)
    talk.generator.script = {3: END}
    reroll(tmp_path / "speakers", 0)
    idle(talk)
    assert prompt(talk, 3).equal(old)
    assert "speaker_0 goes on sounding as before" in caplog.text


def test_what_goes_bad_is_no_voice(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends too soon, each time; that is tried some times, said once, and no sentence fails."""
    talk = talk_with(checkpoint, tmp_path, cached=0)
    talk.generator.script = {3: END}
    for number in range(3):
        assert read(talk, number) == 0
        idle(talk)
    assert stored(tmp_path) == {}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "speaker_0" in caplog.text


def test_the_guard_judges_it(checkpoint: Path, tmp_path: Path) -> None:
    """The same codes again and again are no voice where rules about codes are on."""
    talk = talk_with(checkpoint, tmp_path, cached=0, guard="codes")
    talk.follow(*[SOME] * LENGTH, END)
    read(talk, 1)
    idle(talk)
    assert stored(tmp_path) == {}


def test_a_folder_that_cannot_be_written_costs_the_restart_only(
    checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "speakers").write_text("a file where the folder should be")
    talk = talk_with(checkpoint, tmp_path, cached=0)
    read(talk, 1)
    idle(talk)
    assert read(talk, 2) > 0


def test_where_a_slot_has_no_room_for_it_a_long_sentence_goes_without(
    checkpoint: Path, tmp_path: Path
) -> None:
    talk = talk_with(checkpoint, tmp_path, cached=0, context_positions=200, max_seconds=10.0)
    read(talk, 1)
    idle(talk)
    assert read(talk, 2, text="yes") > 0
    assert read(talk, 3, text="the light in the kitchen is on") == 0


def test_recorded_voices_have_nothing_to_do_with_it(checkpoint: Path, tmp_path: Path) -> None:
    talk = talk_with(checkpoint, tmp_path, cached=0)
    talk.recordings["anna"] = torch.full((5, 8), 3)
    talk.speak(say(1, 1, "yes", voice_of("anna")))
    idle(talk)
    assert not (tmp_path / "speakers").exists()
