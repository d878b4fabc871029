"""The only schema: YAML or JSON to frozen objects, everything validated here, once."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from wyoming_csm.documents import DocumentError, read_document
from wyoming_csm.errors import ConfigError
from wyoming_csm.settings import explain

EngineName = Literal["csm", "coqui", "system"]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]
_S = TypeVar("_S", bound=msgspec.Struct)
Place = Annotated[str, Meta(min_length=1, pattern=r"^[^\x00]*$")]  # of a file or folder
Device = Annotated[str, Meta(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
WeightType = Literal["bfloat16", "float16", "float32", "int8", "fp8", "int4"]
Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}[smh]$")]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CsmConfig(_Section, frozen=True):
    """Sesame's CSM on a GPU."""

    checkpoint: Annotated[
        Place,
        Meta(description="Hub name or local folder: transformers layout, or a LoRA adapter"),
    ] = "sesame/csm-1b"
    revision: Annotated[str | None, Meta(description="Pin the hub's branch, tag or commit")] = None
    token_file: Annotated[
        Place | None, Meta(description="File with the hub token (or set HF_TOKEN)")
    ] = None
    device: Annotated[
        Device | tuple[Device, ...],
        Meta(
            description="auto: a GPU or not at all; cpu; cuda, cuda:1;"
            " a list as [cuda:0, cuda:1]: a process on each"
        ),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "float32", "int8", "fp8", "int4"],
        Meta(
            description="Of the weights. auto: bfloat16 on a GPU (float16 before Ampere), float32"
            " on the CPU; int8, fp8, int4: smaller and faster, a little less exact"
        ),
    ] = "auto"
    depth_dtype: Annotated[
        WeightType | None,
        Meta(description="Of the depth decoder, most of a frame's work; null: as dtype"),
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=5)] | None,
        Meta(description="null: as the checkpoint says; 0: always the likeliest"),
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=1, le=2048)] | None,
        Meta(description="null: as the checkpoint says"),
    ] = None
    depth_temperature: Annotated[
        Annotated[float, Meta(ge=0, le=5)] | None,
        Meta(description="The same for codebooks 1 to 31"),
    ] = None
    depth_top_k: Annotated[
        Annotated[int, Meta(ge=1, le=2048)] | None,
        Meta(description="The same for codebooks 1 to 31"),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=2**63 - 1)] | None,
        Meta(description="A number: the same words always sound the same"),
    ] = None
    max_seconds: Annotated[
        Annotated[float, Meta(ge=1, le=120)], Meta(description="Longest sound of one sentence")
    ] = 90.0
    context_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=120)],
        Meta(description="How much of a reply so far the next sentence hears, at most"),
    ] = 20.0
    slots: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(
            description="Sentences spoken at the same time; null: 4 on a GPU, or as many as fit,"
            " 1 on the CPU"
        ),
    ] = None
    positions: Annotated[
        Annotated[int, Meta(ge=128, le=65_536)] | None,
        Meta(
            description="Of a slot, for clip, reply so far and sentence (12.5 a second of sound);"
            " null: the model's 2048"
        ),
    ] = None
    memory_share: Annotated[
        Annotated[float, Meta(gt=0, le=1)],
        Meta(description="How much of the GPU memory that is free at the start it may take"),
    ] = 0.9
    kept_prompts_mb: Annotated[
        Annotated[int, Meta(ge=0, le=1_048_576)],
        Meta(description="Memory for voices and replies heard before; 11 MB for a clip of 20 s"),
    ] = 512
    text_table_on_host: Annotated[
        bool, Meta(description="Keep the table of words (0.5 GB) out of the GPU's memory")
    ] = True
    compile: Annotated[
        bool | None,
        Meta(description="Fuse the model's parts with torch.compile; null: where a compiler is"),
    ] = None
    idle_unload: Annotated[
        Duration | None,
        Meta(description="Give the GPU back after so long without a request, as 10m; null: never"),
    ] = None
    while_waking: Annotated[
        Literal["fallback", "wait"],
        Meta(
            description="After that, the next request: another engine speaks it at once, or it"
            " waits up to 3 s"
        ),
    ] = "fallback"


class CoquiConfig(_Section, frozen=True):
    """Coqui TTS, where CSM cannot run."""

    models: Annotated[
        dict[Language, Place],
        Meta(description="By language (en, de, pt-br): the model, as coqui-tts names it"),
    ] = msgspec.field(default_factory=lambda: {"en": "tts_models/en/ljspeech/vits"})
    checkpoint: Annotated[
        Place | None, Meta(description="A local model file instead, with its config.json beside it")
    ] = None
    checkpoint_config: Annotated[
        Place | None, Meta(description="The local model's configuration, if it is elsewhere")
    ] = None
    checkpoint_language: Annotated[
        Language, Meta(description="The language of the local model")
    ] = "en"
    device: Annotated[
        Device, Meta(description="auto: a GPU if there is one; cpu; cuda, cuda:1")
    ] = "auto"
    agree_to_licence: Annotated[
        bool, Meta(description="true: you accept the licence of models that ask (XTTS)")
    ] = False


class SystemConfig(_Section, frozen=True):
    """The small voice that always works."""

    speed: Annotated[Annotated[float, Meta(ge=0.3, le=3)], Meta(description="1.0 is normal")] = 1.0


class DiscoveryConfig(_Section, frozen=True):
    """How Home Assistant finds the server."""

    enabled: Annotated[bool, Meta(description="Announce over zeroconf (mDNS)")] = True
    name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=60)] | None,
        Meta(description="Instance name; null: wyoming-csm-HOSTNAME"),
    ] = None


LOCAL_WORD = "local"  # the word for them in `limits.networks`


class Limits(_Section, frozen=True):
    """Bounds on everything that comes from outside."""

    connections: Annotated[
        Positive, Meta(description="In all; 30 KiB each, up to 4 MB while it is spoken to")
    ] = 64
    connections_per_address: Annotated[Positive, Meta(description="From one address")] = 32
    text_characters: Annotated[Positive, Meta(description="In one request")] = 10_000
    waiting_requests: Annotated[
        Positive, Meta(description="Requests one connection may have waiting")
    ] = 8
    event_seconds: Annotated[Seconds, Meta(description="For one event to arrive whole")] = 10.0
    idle_seconds: Annotated[Seconds, Meta(description="Without an event, when not speaking")] = (
        120.0
    )
    stall_seconds: Annotated[Seconds, Meta(description="For a listener that takes no sound")] = 30.0
    header_bytes: Annotated[Positive, Meta(description="The JSON line of an event")] = 128 * 1024
    data_bytes: Annotated[Positive, Meta(description="`data_length` of an event")] = 128 * 1024
    payload_bytes: Annotated[Positive, Meta(description="`payload_length` of an event")] = 64 * 1024
    json_depth: Annotated[Positive, Meta(description="Nesting of an event's JSON")] = 16
    shutdown_seconds: Annotated[
        Seconds, Meta(description="For replies in flight when the server is asked to end")
    ] = 5.0
    networks: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Networks that may connect, as 192.168.1.0/24; local: private ones and"
            " this machine's own; null: [local]"
        ),
    ] = None


class LogConfig(_Section, frozen=True):
    """What is written to standard error."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="The least that is logged")
    ] = "INFO"
    format: Annotated[str, Meta(description="As Python's logging takes it")] = (
        "%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


class Config(_Section, frozen=True):
    """The whole configuration; every key may be left out."""

    uri: Annotated[
        str, Meta(description="Where to listen: tcp://ADDRESS:PORT, or unix:///PATH")
    ] = "tcp://0.0.0.0:10200"
    engines: Annotated[
        tuple[EngineName, ...],
        Meta(min_length=1, description="In order: the first that can, speaks; a list"),
    ] = ("csm", "coqui", "system")
    voice: Annotated[str | None, Meta(description="Default voice; null: the first")] = None
    language: Annotated[Language, Meta(description="Default language: en, de-CH")] = "en"
    sample_rate: Annotated[int, Meta(description="Only 24000: what CSM speaks at")] = 24_000
    samples_per_chunk: Annotated[
        Annotated[int, Meta(ge=160, le=24_000)], Meta(description="1920: one frame of 80 ms")
    ] = 1_920
    voices: Annotated[Place, Meta(description="Folder of recorded voices")] = "config/voices"
    data_dir: Annotated[Place, Meta(description="Folder for what the server keeps")] = "data"
    download_dir: Annotated[
        Place | None, Meta(description="Folder for downloaded models; null: DATA_DIR/models")
    ] = None
    csm: CsmConfig = CsmConfig()
    coqui: CoquiConfig = msgspec.field(default_factory=CoquiConfig)
    system: SystemConfig = SystemConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    limits: Limits = Limits()
    log: LogConfig = LogConfig()

    @property
    def models_dir(self) -> Path:
        """Where downloads go."""
        return Path(self.download_dir) if self.download_dir else Path(self.data_dir) / "models"


SECTIONS = ("csm", "coqui", "system", "discovery", "limits", "log")


def load(path: Path | None) -> Config:
    """The configuration in a YAML or JSON file; defaults without one. Raises ConfigError."""
    if path is None:
        return Config()
    try:
        found = read_document(path)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist") from None
    except DocumentError as error:
        raise ConfigError(f"{path} cannot be used: {error}") from error
    return parse({} if found is None else found)


def parse(found: Any) -> Config:
    """Validate parsed YAML or JSON. Raises ConfigError naming the path and the cure."""
    if not isinstance(found, dict):
        raise ConfigError("the configuration must be a table of settings, like `uri: tcp://…`")
    # a section whose settings are all commented out reads as null
    found = {key: value for key, value in found.items() if value is not None or key not in SECTIONS}
    if found.get("sample_rate", 24_000) != 24_000:
        raise ConfigError(
            "sample_rate: only 24000 is possible: CSM and its codec make 24 kHz sound,"
            " and the format must not change within a reply"
        )
    try:
        config = msgspec.convert(found, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(explain(str(error), Config)) from error
    _check_uri(config.uri)
    _check_networks(config.limits.networks or ())
    _check_devices(config.csm.device)
    if config.discovery.name is not None and not config.discovery.name.isprintable():
        raise ConfigError("discovery.name: only what can be printed")
    if len(set(config.engines)) < len(config.engines):
        raise ConfigError("engines: an engine is named twice")
    return _at_home(config)


def with_system_voice_only(config: Config) -> Config:
    """No other engine, and no default voice of one: the first of the language speaks for it."""
    own = config.voice is not None and config.voice.startswith("system_")
    return replace(config, engines=("system",), voice=config.voice if own else None)


def _at_home(section: _S) -> _S:
    """`~/` before a place is the user's home."""
    changed: dict[str, Any] = {}
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(value, _Section):
            changed[name] = _at_home(value)
        elif isinstance(value, str) and value.startswith("~/"):
            changed[name] = os.path.expanduser(value)
    return replace(section, **changed)


def _check_uri(uri: str) -> None:
    if uri.startswith("unix://") and len(uri) > len("unix://"):
        return
    match = re.fullmatch(r"tcp://(?:\[[0-9A-Fa-f:.%\w]+\]|[^:/\[\]\s]+):([0-9]{1,5})", uri)
    if match is None or int(match[1]) > 65_535:
        raise ConfigError(f"uri: {uri!r} is not like tcp://0.0.0.0:10200")


def _check_networks(networks: tuple[str, ...]) -> None:
    for network in networks:
        if network == LOCAL_WORD:
            continue
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise ConfigError(f"limits.networks: {error}") from error


def _check_devices(devices: str | tuple[str, ...]) -> None:
    """Two processes on one GPU would each plan for all that is free there."""
    if isinstance(devices, str):
        return
    numbered = {"cuda:0" if device in ("auto", "cuda") else device for device in devices}
    if not devices or len(numbered) < len(devices):
        raise ConfigError("csm.device: a list must name one device or more, and none twice")
