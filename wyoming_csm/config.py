"""The only schema: YAML or JSON to frozen objects, everything validated here, once."""

import ipaddress
import logging
import os
import re
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from wyoming_csm.documents import DocumentError, read_document
from wyoming_csm.errors import ConfigError
from wyoming_csm.settings import complaint

_LOGGER = logging.getLogger(__name__)


EngineName = Literal["csm", "coqui", "system"]
WeightType = Literal["bfloat16", "float16", "float32", "int8", "fp8", "int4"]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Temperature = Annotated[float, Meta(ge=0, le=5)]
TopK = Annotated[int, Meta(ge=1, le=2048)]
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]
FilePath = Annotated[str, Meta(min_length=1, pattern=r"^[^\x00]*$")]  # or a folder's
VoiceName = Annotated[str, Meta(min_length=1, max_length=100)]
Device = Annotated[str, Meta(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]

LOCAL_WORD = "local"  # in `limits.networks`: private networks and this machine's own
# Names that settings had before: they go on working.
RENAMED = {
    ("csm", "memory_share"): "gpu_memory_share",
    ("csm", "positions"): "context_positions",
    ("csm", "kept_prompts_mb"): "prompt_cache_mb",
}
_OLD = {old: f"did you mean '{section}.{new}'?" for (section, old), new in RENAMED.items()} | {
    "sample_rate": "only 24000 is possible: CSM and its codec make 24 kHz sound, and the format"
    " must not change within a reply. Leave the setting out"
}


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of settings, whose docstring says the meaning of each, in one line for people."""


_S = TypeVar("_S", bound=_Section)


class CsmConfig(_Section, frozen=True):
    """Sesame's CSM on a GPU.

    checkpoint: Hub name or local folder: transformers layout, or a LoRA adapter
    revision: Pin the hub's branch, tag or commit
    token_file: File with the hub token (or set HF_TOKEN)
    device: auto: a GPU or not at all; cpu; cuda, cuda:1; a list as [cuda:0, cuda:1]: a process
        on each
    dtype: Type of the weights. auto: bfloat16 on a GPU (float16 before Ampere), float32 on the CPU;
        int8, fp8, int4: smaller and faster, a little less exact
    depth_dtype: Type of the depth decoder's weights, most of a frame's work; null: as dtype
    temperature: For a frame's first code; 0: always the likeliest; null: as the checkpoint says
    top_k: Likeliest codes to choose from; null: as the checkpoint says
    depth_temperature: For a frame's other 31 codes; null: as the checkpoint says
    depth_top_k: For a frame's other 31 codes; null: as the checkpoint says
    seed: A number: the same words always sound the same
    clip_loudness: Loudness to which clips are brought before CSM takes after them, in LUFS; null:
        as they are
    max_seconds: Longest sound of one sentence
    guard: What stops speech that went astray. sound: what repeats itself, falls silent, is far too
        loud or too long for its words; codes: what repeats itself in the model's codes, too; none:
        only a time that no words take
    context_seconds: How much of the reply so far the next sentence builds on, at most
    slots: Sentences spoken at the same time; null: 4 on a GPU, or as many as fit, 1 on the CPU
    context_positions: Context length of a slot: clip, reply so far and sentence (12.5 a second of
        sound); null: the model's 2048
    gpu_memory_share: How much of the GPU memory that is free at the start it may take
    prompt_cache_mb: Memory for cached prompts of voices and replies; 11 MB for a clip of 20 s
    text_table_on_host: Leave the text embedding table (0.5 GB) in the computer's own memory
    compile: Fuse the model's parts with torch.compile; null: where a compiler is
    idle_unload: Give the GPU back after so long without a request, as 10m; null: never
    while_waking: The next request after that: another engine speaks it at once, or it waits up to
        3 s
    """

    checkpoint: FilePath = "sesame/csm-1b"
    revision: str | None = None
    token_file: FilePath | None = None
    device: Device | tuple[Device, ...] = "auto"
    dtype: Literal["auto", "bfloat16", "float16", "float32", "int8", "fp8", "int4"] = "auto"
    depth_dtype: WeightType | None = None
    temperature: Temperature | None = None
    top_k: TopK | None = None
    depth_temperature: Temperature | None = None
    depth_top_k: TopK | None = None
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    clip_loudness: Annotated[float, Meta(ge=-40, le=-10)] | None = -23.0
    max_seconds: Annotated[float, Meta(ge=1, le=120)] = 90.0
    guard: Literal["none", "sound", "codes"] = "sound"
    context_seconds: Annotated[float, Meta(ge=0, le=120)] = 20.0
    slots: Annotated[int, Meta(ge=1, le=256)] | None = None
    context_positions: Annotated[int, Meta(ge=128, le=65_536)] | None = None
    gpu_memory_share: Annotated[float, Meta(gt=0, le=1)] = 0.9
    prompt_cache_mb: Annotated[int, Meta(ge=0, le=2**20)] = 512
    text_table_on_host: bool = True
    compile: bool | None = None
    idle_unload: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}[smh]$")] | None = None
    while_waking: Literal["fallback", "wait"] = "fallback"


class ConversationConfig(_Section, frozen=True):
    """The replies that CSM's next one builds on, and goes on in the tone of.

    turns: So many of the voice's last replies to the same address (Home Assistant's, whatever room
        asks), each at most csm.context_seconds long; 0: each reply begins anew. Else nothing that
        CSM says is stored (cache): each sentence belongs to what was said before it
    seconds: Replies that ended longer ago are not built on
    """

    turns: Annotated[int, Meta(ge=0, le=20)] = 0
    seconds: Annotated[float, Meta(gt=0, le=3_600)] = 120.0


class CoquiConfig(_Section, frozen=True):
    """Coqui TTS, where CSM cannot run.

    models: By language (en, de, pt-br): the model, as coqui-tts names it
    checkpoint: A local model file instead, with its config.json beside it
    checkpoint_config: The local model's configuration, if it is elsewhere
    checkpoint_language: The language of the local model
    device: auto: a GPU if there is one; cpu; cuda, cuda:1
    agree_to_licence: true: you accept the licence of models that ask (XTTS)
    """

    models: dict[Language, FilePath] = msgspec.field(
        default_factory=lambda: {"en": "tts_models/en/ljspeech/vits"}
    )
    checkpoint: FilePath | None = None
    checkpoint_config: FilePath | None = None
    checkpoint_language: Language = "en"
    device: Device = "auto"
    agree_to_licence: bool = False


class SystemConfig(_Section, frozen=True):
    """The small voice that always works.

    speed: Speed of the speech; 1.0 is normal
    """

    speed: Annotated[float, Meta(ge=0.3, le=3)] = 1.0


class SoundConfig(_Section, frozen=True):
    """What a listener gets of an engine's sound.

    loudness: Of all voices, in LUFS; -16 is louder; null: as each engine makes it
    sentence_pause: Seconds of silence after a sentence; null: as the engine makes it, whatever
        follows
    item_pause: Between lines, items of a list, rows of a table, where that is longer
    paragraph_pause: Between paragraphs, and round a heading, where that is longer
    lead_in: Seconds of silence before a reply, for loudspeakers that wake up late
    fill_gaps: Silence between sentences while a slow text or engine keeps a listener waiting, and
        a slow engine's sentence in one go; false: all as soon as it is made
    """

    loudness: Annotated[float, Meta(ge=-40, le=-10)] | None = -20.0
    sentence_pause: Annotated[float, Meta(ge=0, le=5)] | None = 0.25
    item_pause: Annotated[float, Meta(ge=0, le=5)] = 0.35
    paragraph_pause: Annotated[float, Meta(ge=0, le=5)] = 0.6
    lead_in: Annotated[float, Meta(ge=0, le=5)] = 0.0
    fill_gaps: bool = True


class CacheConfig(_Section, frozen=True):
    """What CSM (without conversation.turns) and Coqui said, on disk: said again, it begins at once.

    characters: Of a reply, so many from its beginning are stored; 0: nothing
    megabytes: For all; what was not said for the longest time goes first
    """

    characters: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 200
    megabytes: Annotated[int, Meta(ge=1, le=2**20)] = 100


class ReadingConfig(_Section, frozen=True):
    """What is read of a text beside its words.

    addresses: Of a web address its host is spoken, of mail all of it; or nothing
    emoji: Nothing is said of them; or their names, which are English
    """

    addresses: Literal["spoken", "dropped"] = "spoken"
    emoji: Literal["dropped", "named"] = "dropped"


class PresetConfig(_Section, frozen=True):
    """A voice made of another.

    voice: The voice that it is made of; needed
    description: What Home Assistant lists; null: the preset's name
    temperature: As csm.temperature, for a voice of CSM
    rate: Speed of the speech; 1.0 is normal
    gain: dB louder than other voices; -6 is softer
    pause: Seconds of silence after a sentence; the other pauses are as much longer or shorter;
        null: as sound.sentence_pause says
    lexicon: What is said instead of a word or phrase, beside lexicon.yaml
    """

    voice: VoiceName
    description: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    temperature: Temperature | None = None
    rate: Annotated[float, Meta(ge=0.5, le=2)] = 1.0
    gain: Annotated[float, Meta(ge=-30, le=12)] = 0.0
    pause: Annotated[float, Meta(ge=0, le=5)] | None = None
    lexicon: dict[str, str] = {}


class DiscoveryConfig(_Section, frozen=True):
    """How Home Assistant finds the server.

    enabled: Announce over zeroconf (mDNS)
    name: Instance name; null: wyoming-csm-HOSTNAME
    address: Announce this instead, as 192.168.1.10:10200: a load balancer, by one of its replicas
    """

    enabled: bool = True
    name: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    address: str | None = None


class HttpConfig(_Section, frozen=True):
    """HTTP for people and programs: a page, OpenAI's API, health and metrics.

    address: Where to listen: HOST:PORT, as 0.0.0.0:8002; null: no HTTP
    hosts: Names under which browsers reach it, as speech.example.com; addresses, localhost, the
        machine's own name and NAME.local go without saying
    token_file: File with a word that every request has to bring (Authorization: Bearer WORD)
    asr: Speech-to-text server (Wyoming) that tells the words of a recording, as tcp://HOST:10300
    ingress: Addresses whose ingress headers are believed: Home Assistant's Supervisor has this one
    """

    address: str | None = None
    hosts: tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...] = ()
    token_file: FilePath | None = None
    asr: str | None = None
    ingress: tuple[str, ...] = ("172.30.32.2",)


class BalancerConfig(_Section, frozen=True):
    """The load balancer that this server is one of the replicas behind; only discovery.address is
    announced then.

    agent: Where HAProxy's agent-check is answered: a port, of this machine alone, or HOST:PORT, as
        0.0.0.0:10201; null: nowhere
    proxies: Addresses or networks of balancers: each connection of theirs must begin with a PROXY
        header (version 1 or 2), and comes from the client that it names
    drain_seconds: When the server is asked to end, the agent says "drain", and so long it goes on
        taking new connections, until the balancer sends no more; without agent it says nothing,
        and ends when it speaks to nobody
    """

    agent: Annotated[int, Meta(ge=1, le=65_535)] | str | None = None
    proxies: tuple[str, ...] = ()
    drain_seconds: Annotated[float, Meta(ge=0, le=300)] = 3.0

    @property
    def agent_address(self) -> str | None:
        """The host and port of `agent`."""
        if self.agent is None or not str(self.agent).isdecimal():
            return None if self.agent is None else str(self.agent)
        return f"127.0.0.1:{self.agent}"

    @property
    def is_used(self) -> bool:
        """Return whether there is one."""
        return self.agent is not None or bool(self.proxies)


class Limits(_Section, frozen=True):
    """Bounds on everything that comes from outside.

    connections: Connections in all; 30 KiB each, up to 4 MB while it is spoken to
    connections_per_address: Connections from one address
    text_characters: Characters in one request
    waiting_requests: Requests one connection may have waiting
    event_seconds: For one event to arrive whole
    idle_seconds: Without an event, when not speaking
    stall_seconds: For a listener that takes no sound
    header_bytes: The JSON line of an event
    data_bytes: `data_length` of an event
    payload_bytes: `payload_length` of an event
    json_depth: Nesting of an event's JSON
    upload_bytes: A recording that is sent over HTTP, or sound to be converted
    shutdown_seconds: For replies in flight when the server is asked to end
    networks: Networks that may connect, as 192.168.1.0/24; local: private ones and this machine's
        own; null: [local]
    """

    connections: Positive = 64
    connections_per_address: Positive = 32
    text_characters: Positive = 10_000
    waiting_requests: Positive = 8
    event_seconds: Seconds = 10.0
    idle_seconds: Seconds = 120.0
    stall_seconds: Seconds = 30.0
    header_bytes: Positive = 128 * 1024
    data_bytes: Positive = 128 * 1024
    payload_bytes: Positive = 64 * 1024
    json_depth: Positive = 16
    upload_bytes: Positive = 32 * 1024 * 1024
    shutdown_seconds: Seconds = 5.0
    networks: tuple[str, ...] | None = None


class LogConfig(_Section, frozen=True):
    """What is written to standard error.

    level: The lowest level that is logged
    format: Format of a line, as Python's logging takes it
    """

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: str = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Config(_Section, frozen=True):
    """The whole configuration; every key may be left out.

    uri: Where to listen: tcp://ADDRESS:PORT, or unix:///PATH
    engines: In order: the first that can, speaks; a list
    voice: Default voice; null: the first
    language: Default language: en, de-CH
    samples_per_chunk: Samples in an audio event, but for the first; 1920: one frame of 80 ms
    voices: Folder of recorded voices
    lexicon: File of words and phrases that are said otherwise than they are written
    speakers: Folder of what speakers without a clip said once, which servers may share; null:
        DATA_DIR/speakers
    presets: Voices made of other voices, as anna_night: {voice: anna, gain: -6}
    data_dir: Folder for what the server stores
    download_dir: Folder for downloaded models; null: DATA_DIR/models
    """

    uri: str = "tcp://0.0.0.0:10200"
    engines: Annotated[tuple[EngineName, ...], Meta(min_length=1)] = ("csm", "coqui", "system")
    voice: str | None = None
    language: Language = "en"
    samples_per_chunk: Annotated[int, Meta(ge=160, le=24_000)] = 1_920
    voices: FilePath = "config/voices"
    lexicon: FilePath = "config/lexicon.yaml"
    speakers: FilePath | None = None
    presets: Annotated[dict[VoiceName, PresetConfig], Meta(max_length=100)] = msgspec.field(
        default_factory=dict
    )
    data_dir: FilePath = "data"
    download_dir: FilePath | None = None
    csm: CsmConfig = CsmConfig()
    conversation: ConversationConfig = ConversationConfig()
    coqui: CoquiConfig = msgspec.field(default_factory=CoquiConfig)
    system: SystemConfig = SystemConfig()
    cache: CacheConfig = CacheConfig()
    reading: ReadingConfig = ReadingConfig()
    sound: SoundConfig = SoundConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    http: HttpConfig = HttpConfig()
    balancer: BalancerConfig = BalancerConfig()
    limits: Limits = Limits()
    log: LogConfig = LogConfig()

    @property
    def models_dir(self) -> Path:
        """The folder to download models into."""
        return Path(self.download_dir) if self.download_dir else Path(self.data_dir) / "models"

    @property
    def speakers_dir(self) -> Path:
        """The folder of what speakers without a clip said once."""
        return Path(self.speakers) if self.speakers else Path(self.data_dir) / "speakers"


SECTIONS = (
    "csm",
    "conversation",
    "coqui",
    "system",
    "cache",
    "reading",
    "sound",
    "discovery",
    "http",
    "balancer",
    "limits",
    "log",
)


def load(
    path: Path | None,
    warn: Callable[[str], None] = _LOGGER.warning,
    words: Mapping[str, Any] = MappingProxyType({}),
) -> Config:
    """Read the configuration in a YAML or JSON file; defaults without one. Raises ConfigError.

    `words` are settings of the command line: they count more than the file's.
    """
    try:
        found = read_document(path) if path is not None else {}
    except DocumentError as error:
        raise ConfigError(f"{path} cannot be used: {error}") from error
    for name, value in words.items() if isinstance(found, dict) else ():
        below = found.get(name) or {}
        both = isinstance(value, Mapping) and isinstance(below, dict)
        found[name] = {**below, **value} if both else value
    return parse(found, lambda note: warn(f"{path}: {note}"))


def parse(found: Any, warn: Callable[[str], None] = _LOGGER.warning) -> Config:
    """Validate parsed YAML or JSON; `warn` is told of each setting of an earlier release.

    Raises ConfigError naming the setting and the cure.
    """
    if not isinstance(found, dict):
        raise ConfigError("the configuration must be a table of settings, like `uri: tcp://…`")
    # a section whose settings are all commented out reads as null
    may_be_null = (*SECTIONS, "presets")
    found = {
        key: value for key, value in found.items() if value is not None or key not in may_be_null
    }
    notes = _update(found)
    try:
        config = msgspec.convert(found, Config)
    except msgspec.ValidationError as error:
        raise ConfigError("; ".join((complaint(found, Config, _OLD), *notes))) from error
    _check_uri(config.uri)
    _check_http(config.http)
    _check_networks("limits.networks", config.limits.networks or ())
    _check_balancer(config)
    _check_apart(config)
    _check_devices(config.csm.device)
    if config.discovery.name is not None and not config.discovery.name.isprintable():
        raise ConfigError("discovery.name: only what can be printed")
    if len(set(config.engines)) < len(config.engines):
        raise ConfigError("engines: an engine is named twice")
    _check_presets(config.presets)
    for note in notes:
        warn(note)
    return _at_home(config)


def _update(found: dict[str, Any]) -> list[str]:
    """Turn settings of earlier releases into today's; return what to tell about each."""
    notes = []
    if found.get("sample_rate") == 24_000:
        del found["sample_rate"]
        notes.append("sample_rate is no setting any more, it is always 24000: leave it out")
    log = found.get("log")
    if isinstance(log, dict) and isinstance(log.get("level"), str):
        found["log"] = {**log, "level": log["level"].upper()}
    for (section, old), new in RENAMED.items():
        settings = found.get(section)
        if isinstance(settings, dict) and old in settings:
            both = ", which is given too and counts" if new in settings else ""
            notes.append(f"{section}.{old} is now called {section}.{new}{both}")
            rest = {name: value for name, value in settings.items() if name != old}
            found[section] = {new: settings[old], **rest}
    return notes


def with_system_voice_only(config: Config, asked: str | None = None) -> Config:
    """Leave out the other engines, and a default voice of theirs unless it was asked for now."""
    own = config.voice is not None and config.voice.startswith("system_")
    return replace(config, engines=("system",), voice=config.voice if own else asked)


def _at_home(section: _S) -> _S:
    """Replace `~/` before a path by the user's home."""
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
    if not _is_tcp(uri):
        raise ConfigError(f"uri: {uri!r} is not like tcp://0.0.0.0:10200")


def _is_tcp(uri: str) -> bool:
    match = re.fullmatch(r"tcp://(?:\[[0-9A-Fa-f:.%\w]+\]|[^:/\[\]\s]+):([0-9]{1,5})", uri)
    return match is not None and int(match[1]) <= 65_535


def _check_http(http: HttpConfig) -> None:
    if http.address is not None and not _is_tcp(f"tcp://{http.address}"):
        raise ConfigError(f"http.address: {http.address!r} is not like 0.0.0.0:8002")
    if http.asr is not None and not (_is_tcp(http.asr) or http.asr.startswith("unix:///")):
        raise ConfigError(f"http.asr: {http.asr!r} is not like tcp://192.168.1.5:10300")
    for address in http.ingress:
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise ConfigError(f"http.ingress: {error}") from error


def _check_apart(config: Config) -> None:
    """Refuse one port for two: whichever opens second would find it used by this very server."""
    doors = {
        "uri": config.uri.removeprefix("tcp://") if config.uri.startswith("tcp://") else None,
        "http.address": config.http.address,
        "balancer.agent": config.balancer.agent_address,
    }
    opened = {name: address.rpartition(":") for name, address in doors.items() if address}
    for (name, (host, _, port)), (later, (other, _, number)) in combinations(opened.items(), 2):
        if int(port) == int(number) != 0 and _overlap(host, other):
            taken = {int(used) for *_, used in opened.values()}
            near = (int(port) + step for step in (1, 2, -1, -2))
            free = next(one for one in near if one <= 65_535 and one not in taken)
            section, _, key = later.partition(".")
            value = config.uri if name == "uri" else doors[name]
            raise ConfigError(
                f"{later}: {doors[later]} and `{name}: {value}` are one port, and each needs its"
                f" own: `{section}: {{{key}: {other}:{free}}}`"
                + (f" (or --http {other}:{free})" if section == "http" else "")
            )


def _overlap(host: str, other: str) -> bool:
    """Tell whether two hosts have an address in common; 0.0.0.0 is all of IPv4, [::] all there
    are, a name may be any."""
    both = {host.lower(), other.lower()}
    if len(both) == 1 or "[::]" in both:
        return True
    if "0.0.0.0" in both:  # noqa: S104 -- nothing is bound
        return not any(one.startswith("[") for one in both)
    return "localhost" in both and bool(both & {"127.0.0.1", "[::1]"})


def _check_networks(setting: str, networks: tuple[str, ...], word: str = LOCAL_WORD) -> None:
    for network in networks:
        try:
            if network != word:
                ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise ConfigError(f"{setting}: {error}") from error


def _check_balancer(config: Config) -> None:
    _check_networks("balancer.proxies", config.balancer.proxies, word="")
    agent, announced = config.balancer.agent_address, config.discovery.address
    if agent is not None and not _is_tcp(f"tcp://{agent}"):
        raise ConfigError(
            f"balancer.agent: {agent!r} is neither a port, as 10201, nor like 0.0.0.0:10201"
        )
    if announced is None:
        return
    host, _, port = announced.rpartition(":")
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        if not _is_tcp(f"tcp://{announced}") or int(port) == 0:
            raise ValueError(f"{port!r} is no port")
    except ValueError as error:
        raise ConfigError(
            f"discovery.address: {announced!r} is not like 192.168.1.10:10200: {error}"
        ) from error


def _check_presets(presets: Mapping[str, PresetConfig]) -> None:
    for name, preset in presets.items():
        if not f"{name}{preset.description or ''}".isprintable() or name != name.strip():
            raise ConfigError(f"presets: {name!a}: name and description are one line each")
        if preset.voice in presets:
            raise ConfigError(
                f"presets.{name}.voice: {preset.voice!r} is a preset, too: name a voice"
            )


def _check_devices(devices: str | tuple[str, ...]) -> None:
    """Refuse a GPU twice: two processes on one would each plan for all that is free there."""
    if isinstance(devices, str):
        return
    numbered = {"cuda:0" if device in ("auto", "cuda") else device for device in devices}
    if not devices or len(numbered) < len(devices):
        raise ConfigError("csm.device: a list must name one device or more, and none twice")
