"""Checks of what is on the disk: room, weights, Coqui's models, recorded voices."""

from collections.abc import Callable, Iterator
from pathlib import Path

from wyoming_csm.config import Config
from wyoming_csm.doctor.finding import Finding, Level, ok
from wyoming_csm.doctor.machine import Machine
from wyoming_csm.errors import VoiceError
from wyoming_csm.recordings import read_voice
from wyoming_csm.voice_book import NO_VOICES
from wyoming_csm.voices import Voice
from wyoming_csm.worker.coqui.files import downloaded_files
from wyoming_csm.worker.csm.torch_facts import TorchFacts

_WEIGHTS = 7_300_000_000  # bytes: sesame/csm-1b as it is fetched
_LEAST = 300_000_000  # of logs, caches and what speakers sound like
_ALMOST_NONE = 20_000_000
_SHOWN = 8  # voices with a line of their own


def check_disk(config: Config, machine: Machine, facts: TorchFacts | str | None) -> list[Finding]:
    """Look whether there is room, and whether it may be written to."""
    wanted = {Path(config.data_dir): _LEAST}
    weights = facts.weights if isinstance(facts, TorchFacts) and facts.cards else None
    if weights is not None and weights.state == "fetchable":
        wanted[config.models_dir] = wanted.get(config.models_dir, 0) + _WEIGHTS
    return [_disk(config, folder, needed, machine) for folder, needed in wanted.items()]


def _disk(config: Config, folder: Path, needed: int, machine: Machine) -> Finding:
    setting = "data_dir" if folder == Path(config.data_dir) else "download_dir"
    disk = machine.disk(folder)
    found = f"{folder}: {disk.free / 1e9:.1f} GB free"
    elsewhere = f"set {setting} to a folder on another disk"
    if disk.fault and not disk.there and str(folder) == Config().data_dir:
        found = f"{folder} cannot be made ({disk.fault}): the server takes one in this user's home"
        return Finding("disk", "warn", found, "set data_dir, or start where this user may write")
    if disk.fault and not disk.there:
        cure = f"make it for this user, or set {setting} to a folder where it may write"
        return Finding("disk", "fail", f"{folder} cannot be made: {disk.fault}", cure)
    if disk.fault:
        cure = f"{_let_write(folder)}, or set {setting} to a folder where it may"
        return Finding("disk", "fail", f"{folder} cannot be written: {disk.fault}", cure)
    if disk.free < needed:
        level: Level = "fail" if disk.free < _ALMOST_NONE or needed > _LEAST else "warn"
        return Finding(
            "disk",
            level,
            f"{found}, {needed / 1e9:.1f} GB are needed",
            f"make room, or {elsewhere}",
        )
    return ok("disk", found)


def _let_write(folder: Path) -> str:
    return f"let this user write there (`sudo chown -R $(id -u) {folder}`)"


def check_weights(config: Config, facts: TorchFacts | str | None) -> Finding:
    """Say whether CSM's weights are here, or whether the hub gives them."""
    if "csm" not in config.engines:
        return Finding("weights", "skip", "CSM is left out by `engines` or --light")
    if not isinstance(facts, TorchFacts) or facts.weights is None:
        return Finding("weights", "skip", "nothing that reads them is installed")
    weights = facts.weights
    if weights.state == "here":
        return ok("weights", weights.found)
    needed = facts.cards or config.csm.device == "cpu"
    if not needed:
        return Finding("weights", "skip", "not here, and no GPU needs them")
    level: Level = "warn" if weights.state == "fetchable" else "fail"
    return Finding("weights", level, weights.found, weights.cure)


def check_coqui(config: Config, installed: bool) -> Finding:
    """Say whether Coqui's models are here."""
    if "coqui" not in config.engines:
        return Finding("Coqui", "skip", "left out by `engines` or --light")
    if not installed:
        cure = "./run.sh (without --light) installs it"
        return Finding("Coqui", "skip", "not installed: the system voice stands in", cure)
    if config.coqui.checkpoint:
        there = Path(config.coqui.checkpoint).is_file()
        cure = "correct coqui.checkpoint"
        missing = Finding("Coqui", "fail", f"{config.coqui.checkpoint} does not exist", cure)
        return ok("Coqui", config.coqui.checkpoint) if there else missing
    models = config.coqui.models.values()
    away = [name for name in models if downloaded_files(name, config.models_dir) is None]
    if away:
        cure = "`wyoming-csm download coqui` fetches it, or the server when it starts"
        return Finding("Coqui", "warn", f"not here yet: {', '.join(away)}", cure)
    return ok("Coqui", ", ".join(models))


def check_voices(
    config: Config, machine: Machine, state_of: Callable[[Voice], str], csm_speaks: bool
) -> list[Finding]:
    """Read each folder of voices as the server does; `state_of` tells of a clip what is doubtful.

    That ends in a length alone where nothing is. `csm_speaks`: CSM can be loaded here.
    """
    folder = Path(config.voices)
    disk = machine.disk(folder)
    found = _voices_in(config, folder, state_of, csm_speaks)
    if disk.fault:
        told = f"{folder} cannot be written, no voice can be made there: {disk.fault}"
        cure = _let_write(folder if disk.there else folder.parent)
        found.append(Finding("voices", "warn", told, cure))
    return found


def _voices_in(
    config: Config, folder: Path, state_of: Callable[[Voice], str], csm_speaks: bool
) -> list[Finding]:
    try:
        found = sorted(path for path in folder.iterdir() if path.is_dir())
    except FileNotFoundError:
        cure = "`wyoming-csm voices add NAME RECORDING` makes one"
        return [Finding("voices", "skip", f"{folder} is not there: no voice is recorded", cure)]
    except OSError as error:
        return [Finding("voices", "fail", f"{folder}: {error.strerror}", "correct `voices`")]
    folders = [path for path in found if path.name[0] != "." and path.name.lower() not in NO_VOICES]
    wrong = list(_faults(folders, state_of))
    good = len(folders) - len({one.found.partition(":")[0] for one in wrong})
    usable = ok("voices", f"{good} in {folder} can be used without a doubt")
    if good and not csm_speaks:
        told = f"{usable.found}, but CSM, which speaks with recordings, does not speak here"
        cure = "start without --light, and with csm among `engines`"
        if "csm" in config.engines:
            cure = "see what helps at `PyTorch`, `GPU` and `weights`"
        usable = Finding("voices", "warn", told, cure)
    return [usable, *wrong[:_SHOWN]]


def _faults(folders: list[Path], state_of: Callable[[Voice], str]) -> Iterator[Finding]:
    for path in folders:
        try:
            state = state_of(read_voice(path))
        except VoiceError as error:
            what, _, cure = str(error).partition(": ")
            yield Finding("voices", "warn", f"{path.name}: {what}", cure or f"correct {path}")
            continue
        length, _, doubts = state.partition("; ")
        if doubts or not length.endswith(" s"):
            cure = f"`wyoming-csm voices preview {path.name}` lets it be judged"
            yield Finding("voices", "warn", f"{path.name}: {doubts or state}", cure)
