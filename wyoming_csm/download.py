"""`wyoming-csm download`: models ahead of time, so that afterwards nothing needs the network."""

import difflib
import logging
import sys
from collections.abc import Sequence
from functools import partial

from wyoming_csm.command_words import FETCHABLE
from wyoming_csm.config import Config
from wyoming_csm.engines import coqui, csm
from wyoming_csm.errors import EngineUnavailable, RequestError
from wyoming_csm.gpu_signs import no_gpu, signs
from wyoming_csm.terminal import Tell, progress
from wyoming_csm.worker.system.further_voices import FURTHER, fetch, fetched

_EVERY_SECONDS = 0.2  # a bar moves; where lines are printed most of these are left out


def download(config: Config, models: Sequence[str]) -> int:
    """Fetch what is named of `FETCHABLE`, by default what can speak here; return the exit code.

    What is here is not fetched again. Raises RequestError, EngineUnavailable, VoiceError.
    """
    for name in models:
        if name not in FETCHABLE:
            near = difflib.get_close_matches(name, FETCHABLE, n=1)
            cure = f"did you mean {near[0]}?" if near else f"there are: {', '.join(FETCHABLE)}"
            raise RequestError(f"there is no model {name!r} to download; {cure}")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    work = {"csm": _weights_of_csm, "coqui": _models_of_coqui, "voices": _further_voices}
    for name in models or _that_speak(config):
        with progress() as tell:
            done = work[name](config, tell)
        print(f"{name}: {done}", flush=True)
    return 0


def _that_speak(config: Config) -> list[str]:
    """Return those of the configured engines that can run here and have models."""
    found: list[str] = []
    reasons = []
    for name in config.engines:
        try:
            if name == "csm":
                if config.csm.device == "auto" and not signs() - {"container"}:
                    raise no_gpu()
                csm.probe("cpu")
            elif name == "coqui":
                coqui.probe()
            else:
                continue
            found.append(name)
        except EngineUnavailable as error:
            reasons.append(f"{name}: {error.reason}")
    for reason in reasons:
        print(f"left out, {reason}", file=sys.stderr)
    if not found:
        raise RequestError(
            "what speaks here needs no models; name one to have it all the same: "
            + ", ".join(FETCHABLE)
        )
    return found


def _weights_of_csm(config: Config, tell: Tell) -> str:
    csm.probe("cpu")  # the packages, not the GPU: models may be fetched for another machine
    from wyoming_csm.worker.csm import hub
    from wyoming_csm.worker.csm.checkpoints import find_checkpoint

    quick = partial(hub.fetch, every=_EVERY_SECONDS)
    found = find_checkpoint(config.csm, config.models_dir, tell, quick)
    return f"{config.csm.checkpoint} is in {found.folder}"


def _models_of_coqui(config: Config, tell: Tell) -> str:
    coqui.probe()
    from wyoming_csm.worker.coqui.files import downloaded_files, local_files, named_files
    from wyoming_csm.worker.coqui.setup import import_inflect, prepare

    settings = config.coqui
    if settings.checkpoint:
        return f"{local_files(settings.checkpoint, settings.checkpoint_config).checkpoint} is here"
    folder, names = config.models_dir, dict.fromkeys(settings.models.values())
    missing = [name for name in names if downloaded_files(name, folder) is None]
    if missing:
        tell("starting coqui-tts")
        import_inflect()
        prepare(
            download_dir=folder,
            agreed=settings.agree_to_licence,
            debug=config.log.level == "DEBUG",
        )
    for name in missing:
        named_files(name, folder, agreed=settings.agree_to_licence, progress=tell)
    return f"{', '.join(names)} is in {folder}"


def _further_voices(config: Config, tell: Tell) -> str:
    here = fetched(config.models_dir)
    for voice in FURTHER:
        if voice.name not in here:
            fetch(voice, config.models_dir, tell)
    return f"{', '.join(voice.name for voice in FURTHER)} are in {config.models_dir / 'hibari'}"
