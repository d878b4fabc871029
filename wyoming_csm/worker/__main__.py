"""An engine's child process: is told which engine it is, loads it, speaks until the pipe ends."""

import logging
import os
import signal
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from wyoming_csm.arenas import use_one_arena
from wyoming_csm.disk_cache import store_compiled
from wyoming_csm.errors import CheckpointError, EngineUnavailable, Unsuited
from wyoming_csm.faults import switch_of, trouble_process
from wyoming_csm.logs import start_logging
from wyoming_csm.worker import sentence_loop
from wyoming_csm.worker.pipe import Child
from wyoming_csm.worker.protocol import Configure, Prepare, Starting, Unavailable

_LOGGER = logging.getLogger(__name__)


def main() -> int:
    """Return the exit code: 0 if it cannot run here and said so, 1 after a fault."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine's process decides when it ends
    use_one_arena()
    child = Child.over_stdio()
    child.start()
    configure = child.inbox.get()
    if isinstance(configure, Prepare):
        prepare(configure.engine)
        configure = child.inbox.get()
    assert isinstance(configure, Configure), "Configure comes first"
    start_logging(configure.log_level, configure.log_format or logging.BASIC_FORMAT)
    if configure.engine != "csm":
        for name in ("HF_TOKEN", "HF_TOKEN_PATH"):  # the token is for CSM's download alone
            os.environ.pop(name, None)
    if (switch := switch_of(configure.engine)) is not None:
        from wyoming_csm.worker.faulty_child import FaultyChild

        child = FaultyChild(child, switch)
        trouble_process(switch)
    try:
        run(child, configure)
    except EngineUnavailable as error:
        unsuited = isinstance(error, Unsuited)
        child.send(Unavailable(error.reason, error.cure, error.passing, unsuited))
    except CheckpointError as error:  # loading it again would end in the same way
        child.send(Unavailable(str(error), ""))
    except Exception:
        _LOGGER.exception("%s failed", configure.engine)
        return 1
    return 0


def prepare(engine: str) -> None:
    """Import what takes a child long and needs no GPU, for the only engine that sleeps."""
    if engine == "csm":
        with suppress(ImportError):  # said when it is to load
            for module in ("wyoming_csm.worker.csm.load", "torch._inductor.compile_fx"):
                import_module(module)


def run(child: Child, configure: Configure) -> None:
    """Load and speak, for ever. Raises EngineUnavailable, or anything."""
    # Each engine's packages are heavy, and may be missing: only its own are imported.
    match configure.engine:
        case "csm":
            device = configure.settings.get("device", "auto")
            store_compiled(
                Path(configure.data_dir), device if isinstance(device, str) else device[0]
            )
            from wyoming_csm.worker.csm import load

            load.run(child, configure)
        case "coqui":
            from wyoming_csm.worker.coqui.setup import refuse_pickles
            from wyoming_csm.worker.coqui.speaker import load as load_coqui

            refuse_pickles()
            sentence_loop.run(
                child, load_coqui(configure, lambda detail: child.send(Starting(detail)))
            )
        case "system":
            from wyoming_csm.worker.system.speaker import load as load_system

            sentence_loop.run(child, load_system(configure))
        case unknown:
            raise EngineUnavailable(f"there is no engine {unknown!r}", "")


if __name__ == "__main__":
    os._exit(main())  # at once: libraries' threads and exit handlers could delay it
