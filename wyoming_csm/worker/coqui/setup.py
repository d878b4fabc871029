"""What must hold in the child process before coqui-tts is imported."""

import logging
import os
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.coqui.phonemes import use_library

_LOGGER = logging.getLogger(__name__)

# What a pickle of arrays, numbers and tables of them is made with.
_ARRAYS = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
}
_ARRAYS |= {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}


def prepare(*, download_dir: Path, agreed: bool, debug: bool) -> None:
    """Change this process so that coqui-tts can be imported, and asks and tells nothing.

    Raises ImportError or OSError if coqui-tts is not here.
    """
    # Threads that spin while they wait for each other make a busy machine 12 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["HF_HUB_CACHE"] = str(download_dir)
    if agreed:
        os.environ["COQUI_TOS_AGREED"] = "1"
    quieten(debug=debug)
    provide_torchaudio()
    from TTS.tts.utils.text.phonemizers import espeak_wrapper

    use_library(espeak_wrapper)


def refuse_pickles() -> None:
    """Let this process unpickle nothing but arrays, from now on and whoever asks for it.

    coqui-tts reads checkpoints as weights alone, but a model's configuration can name statistics
    and models that it unpickles as they are, which runs whatever code they bring.
    """
    sys.addaudithook(_refuse_pickle)


def _refuse_pickle(event: str, args: tuple[Any, ...]) -> None:
    if event == "pickle.find_class" and args not in _ARRAYS:
        raise UnpicklingError(f"{args[0]}.{args[1]} would be called to unpickle it: it is refused")


def quieten(*, debug: bool) -> None:
    """Stop coqui-tts and onnxruntime from telling what is spoken, or that something is."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # it tells its makers of its use, from 1.29 on
    if not debug:  # at lower levels it logs the text it speaks
        for name in ("TTS", "trainer"):
            logging.getLogger(name).setLevel(logging.ERROR)


def import_inflect() -> None:
    """Import what coqui-tts puts numbers into words with, in a tenth of the seconds that takes.

    Nearly all of them go to checks of types that `typeguard` writes into it. coqui-tts itself
    imports it when the first number comes, and does without it where no cleaner needs it.
    """
    if "typeguard" in sys.modules or "inflect" in sys.modules:
        return
    plain = ModuleType("typeguard")
    vars(plain)["typechecked"] = lambda function: function
    sys.modules["typeguard"] = plain
    try:
        import_module("inflect")
    except ImportError:
        pass  # said by coqui-tts when it needs it
    finally:
        del sys.modules["typeguard"]


def provide_torchaudio() -> None:
    """Stand in for a torchaudio that is missing, or made for another torch (OSError: its libraries
    do not load): coqui-tts imports it for every model, and uses it for few."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        level = logging.INFO if isinstance(error, ModuleNotFoundError) else logging.WARNING
        _LOGGER.log(level, "Without torchaudio, which few models need: %s", error)
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        module = module_from_spec(ModuleSpec("torchaudio", None))
        vars(module)["__getattr__"] = _no_torchaudio
        sys.modules["torchaudio"] = module


def _no_torchaudio(name: str) -> Any:
    """Stand for each attribute of the module. Raises EngineUnavailable."""
    if name.startswith("__"):  # the import system and `inspect` look at every module
        raise AttributeError(name)
    raise EngineUnavailable(
        "this model needs torchaudio, which is missing or does not fit torch",
        "pip install torchaudio, from the package index that this machine's torch is from",
    )
