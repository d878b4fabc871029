"""Staged faults: what is so of the machine; the line, its level, what it says and what helps."""

import errno
from dataclasses import replace as changed
from typing import Any

import msgspec

from tests.doctor.fake_machine import FACTS, HERE, NOON, OURS, RTX, locked
from wyoming_csm.doctor.machine import Answer, Disk, Ran, Seen
from wyoming_csm.worker.csm.torch_facts import Weights

PORT = "tcp://127.0.0.1:10200"
GATED = Weights("refused", "the weights are given only to …", "accept it at … HF_TOKEN")
AWAY = Weights("unreachable", "could not be fetched", "check the network")
FETCHABLE = Weights("fetchable", "not here yet", "`wyoming-csm download csm` fetches them")


def facts(**more: Any) -> Any:
    """What PyTorch shows, but for these."""
    return msgspec.structs.replace(FACTS, **more)


def no_cards(**more: Any) -> Any:
    """A PyTorch that finds no GPU."""
    return facts(cards=(), here=changed(HERE, **more))


def card(capability: tuple[int, int], free: int = 23_000_000_000) -> Any:
    return msgspec.structs.replace(RTX, capability=capability, free=free)


FAULTS: list[tuple[str, dict[str, Any], str, str, str, str]] = [
    # the fault, what is so of the machine, the line, its level, what it says, what helps
    ("Python too old", {"python": (3, 10)}, "Python", "fail", "too old", "install Python 3.13"),
    ("Python too new", {"python": (3, 15)}, "Python", "fail", "too new", "WYOMING_CSM_PYTHON"),
    (
        "a package of the base is gone",
        {"packages": {k: v for k, v in locked().items() if k != "zeroconf"}},
        *("packages", "fail", "missing: zeroconf", "./run.sh brings it up to date"),
    ),
    (
        "a package is another than locked",
        {"packages": locked() | {"wyoming": "1.0.0"}},
        *("packages", "warn", "wyoming 1.0.0 (locked", "./run.sh brings it up to date"),
    ),
    (
        "no GPU",
        {"facts": no_cards(cuda=None, signs=frozenset(), library=None)},
        *("GPU", "skip", "no GPU is here", "csm: {device: cpu}"),
    ),
    (
        "driver too old for the build",
        {"facts": no_cards(library=(12, 4))},
        *("PyTorch", "fail", "the NVIDIA driver is too old", "update the driver to 580"),
    ),
    (
        "driver too old for any build",
        {"facts": None, "packages": {}, "nvidia_smi": "470.256.02, 8.6, RTX 3090\n"},
        *("PyTorch", "fail", "the driver is too old", "Update it to 580 or newer"),
    ),
    (
        "card too old for the build",
        {"facts": facts(cards=(card((6, 1)),))},
        *("PyTorch", "fail", "no code for RTX 4090 (capability 6.1)", "TORCH=cu126"),
    ),
    (
        "card too new for the build",
        {"facts": facts(cards=(card((12, 0)),), architectures=("sm_80", "sm_90"))},
        *("PyTorch", "fail", "capability 12.0", "TORCH=cu130"),
    ),
    (
        "a CPU build beside a GPU",
        {"facts": no_cards(cuda=None)},
        *("PyTorch", "fail", "a build without CUDA", "start ./run.sh again"),
    ),
    (
        "PyTorch crashes",
        {"facts": Ran(-11, "", "")},
        *("PyTorch", "fail", "signal 11", "remove the folder .venv"),
    ),
    (
        "PyTorch is not installed",
        {"packages": {}},
        *("PyTorch", "warn", "a GPU is here (build cu130)", "./run.sh (without --light)"),
    ),
    (
        "an AMD GPU",
        {"facts": no_cards(cuda=None, signs=frozenset({"kfd"}), library=None)},
        *("PyTorch", "fail", "an AMD GPU is here", "ROCm wheels"),
    ),
    (
        "the GPU's memory is taken",
        {"facts": facts(cards=(card((8, 9), free=1_000_000_000),))},
        *("GPU", "warn", "1.0 of 24.0 GB free", "nvidia-smi shows what takes it"),
    ),
    (
        "flash-attn for another PyTorch",
        {"facts": facts(flash_attn="2.7", flash_fault="undefined symbol")},
        *("flash-attn", "warn", "undefined symbol", "pip uninstall flash-attn"),
    ),
    (
        "no compiler",
        {"facts": facts(compiler_cure="apt install gcc python3-dev")},
        *("compiler", "warn", "no C compiler", "apt install gcc"),
    ),
    ("gated", {"facts": facts(weights=GATED)}, "weights", "fail", "given only to", "HF_TOKEN"),
    (
        "the hub cannot be reached",
        {"facts": facts(weights=AWAY)},
        *("weights", "fail", "could not be fetched", "check the network"),
    ),
    (
        "weights not fetched yet",
        {"facts": facts(weights=FETCHABLE)},
        *("weights", "warn", "not here yet", "wyoming-csm download csm"),
    ),
    (
        "no room for the weights",
        {"facts": facts(weights=FETCHABLE), "disks": {"models": Disk(2_000_000_000)}},
        *("disk", "fail", "2.0 GB free, 7.3 GB are needed", "set download_dir"),
    ),
    (
        "disk nearly full",
        {"disks": {"data": Disk(90_000_000)}},
        *("disk", "warn", "0.1 GB free", "make room, or set data_dir"),
    ),
    (
        "disk full",
        {"disks": {"data": Disk(0)}},
        *("disk", "fail", "0.0 GB free", "make room, or set data_dir"),
    ),
    (
        "data_dir cannot be written",
        {"disks": {"data": Disk(10**12, "this user may not write into /")}},
        *("disk", "fail", "cannot be written", "chown"),
    ),
    (
        "data_dir cannot be made",
        {"disks": {"data": Disk(10**12, "this user may not write into /", there=False)}},
        *("disk", "warn", "one in this user's home", "set data_dir"),
    ),
    (
        "port taken by another program",
        {"answers": {PORT: Answer(False)}, "process": "nginx (process 7)"},
        *("port", "fail", "taken by nginx (process 7)", "`uri: tcp://0.0.0.0:10201`"),
    ),
    (
        "port taken by another Wyoming server",
        {"answers": {PORT: Answer(True, "piper", "1.0")}},
        *("port", "fail", "taken by piper", "end piper"),
    ),
    (
        "an address of another machine",
        {"no_listening": "tcp://10.1.1.1:1 cannot be had"},
        *("port", "fail", "cannot be had", "correct `uri`"),
    ),
    (
        "port taken by us",
        {"answers": {PORT: OURS}, "network": [Seen("me", ("192.168.1.2",), 10_200)]},
        *("port", "ok", "served by wyoming-csm 0.1.0", ""),
    ),
    (
        "not seen on the network",
        {"answers": {PORT: OURS}, "network": [Seen("other", ("192.168.1.9",), 10_300)]},
        *("discovery", "fail", "no announcement of port 10200", "network_mode: host"),
    ),
    (
        "announced on loopback",
        {"answers": {PORT: OURS}, "network": [Seen("me", ("127.0.0.1",), 10_200)]},
        *("discovery", "warn", "only this machine", "tcp://0.0.0.0:10200"),
    ),
    (
        "multicast does not come through",
        {"multicast": False},
        *("discovery", "fail", "nothing that is announced here comes back", "by hand"),
    ),
    (
        "no multicast",
        {"multicast": OSError(errno.ENODEV, "No such device")},
        *("discovery", "fail", "no multicast here: No such device", "network_mode: host"),
    ),
    (
        "the clock is behind",
        {"time": NOON - 600},
        *("clock", "warn", "10 min behind", "timedatectl set-ntp true"),
    ),
    (
        "the clock is of another year",
        {"time": NOON + 400 * 86_400},
        *("clock", "fail", "400 days ahead", "timedatectl set-ntp true"),
    ),
    ("offline", {"their_time": None}, "clock", "skip", "cannot be reached", ""),
    ("missing ASR", {}, "recogniser", "fail", "nobody answers at tcp://asr:1", "start it"),
    (
        "the ASR server is another",
        {"answers": {"tcp://asr:1": Answer(True, "piper")}},
        *("recogniser", "fail", "piper is no speech-to-text server", "correct its address"),
    ),
]
