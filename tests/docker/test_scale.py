"""The files for replicas behind HAProxy: they belong together, and HAProxy takes them."""

import ipaddress
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from benchmarks.balanced import CONFIGURATION
from tests.docker.test_files import COMPOSE, DOCKERFILE, clean, tool
from wyoming_csm.config import load

SCALE = CONFIGURATION.parent
KUBERNETES = SCALE.parent / "kubernetes"
PAGE = CONFIGURATION.parents[2] / "docs/scale.md"
FLEET = PAGE.with_name("fleet.md").read_text(encoding="utf-8")
ON_ITS_OWN, *_ = re.findall(r"```yaml\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
(VOLUMES,) = re.findall(r"```\n(volumes:.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
DEBIAN = Path("/etc/haproxy/haproxy.cfg")


def test_what_belongs_together_is_the_same() -> None:
    compose = yaml.safe_load((SCALE / "compose.yaml").read_text())
    assert SCALE / "compose.yaml" in COMPOSE  # its form is checked there
    config = load(SCALE / "replica.yaml")
    text = CONFIGURATION.read_text()
    (subnet,) = compose["networks"]["speech"]["ipam"]["config"]
    assert config.balancer.proxies == (subnet["subnet"],)
    agent = str(config.balancer.agent)
    assert ipaddress.ip_address(agent.partition(":")[0]).is_unspecified
    assert f"agent-check agent-port {agent.partition(':')[2]} " in text
    assert "send-proxy-v2 check check-send-proxy" in text
    assert config.discovery.enabled is False
    published = {str(port["published"]) for port in compose["services"]["balancer"]["ports"]}
    assert set(re.findall(r"^    bind :(\d+)$", text, re.MULTILINE)) == published
    templates = re.findall(r"server-template replica \d+ (\w+):(\d+) ", text)
    assert templates == [("replica", port) for port in ("10200", "10200", "8002", "8002")]
    replica = compose["services"]["replica"]
    most = re.search(r"stack deploy .+ # up to (\d+) replicas\n", PAGE.read_text("utf-8"))
    assert most
    places = set(re.findall(r"server-template replica (\d+) ", text))
    assert places == {str(2 * int(most[1]))}, "those that ended keep theirs for a while"
    assert replica["deploy"]["endpoint_mode"] == "dnsrr"
    ends = config.limits.shutdown_seconds + config.balancer.drain_seconds
    grace = replica["stop_grace_period"]
    assert int(grace.rstrip("s")) >= ends + 15
    assert compose["services"]["balancer"]["stop_grace_period"] == grace
    hold = f"    hold obsolete {replica['stop_grace_period']}\n"
    assert hold in text, "an address goes from the names before the replies are over"
    for answer in ("nx", "timeout", "refused", "other"):
        assert f"    hold {answer} 1h\n" in text, "a name server that fails takes no replica away"


def test_a_replica_has_the_token_and_gpus() -> None:
    """As that of docker/compose.yaml; in a swarm, which refuses `devices`, it asks the runtime."""
    compose, alone = (yaml.safe_load(path.read_text()) for path in (COMPOSE[2], COMPOSE[0]))
    replica, server = compose["services"]["replica"], alone["services"]["wyoming-csm"]
    (secret,) = replica["secrets"]
    assert [secret] == server["secrets"]
    files = {
        (path.parent / found["secrets"][secret]["file"]).resolve()
        for path, found in ((COMPOSE[2], compose), (COMPOSE[0], alone))
    }
    assert len(files) == 1
    asked = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    assert replica["environment"] == server["environment"] | asked
    assert "resources" not in replica["deploy"]
    assert SCALE / "gpu.yaml" in COMPOSE  # its form is checked there
    (over,) = yaml.safe_load((SCALE / "gpu.yaml").read_text())["services"].values()
    (device,) = over["deploy"]["resources"]["reservations"]["devices"]
    (reserved,) = server["deploy"]["resources"]["reservations"]["devices"]
    assert device == reserved | {"count": "all"}
    assert over["deploy"]["replicas"] == 1, "a machine's GPUs belong to one server"


def test_a_swarm_takes_files_that_changed_and_keeps_the_balancer_s_address() -> None:
    """It refuses to change what it has; and a service without a constraint runs anywhere."""
    compose = yaml.safe_load((SCALE / "compose.yaml").read_text())
    files = [*compose["configs"].values(), *compose["secrets"].values()]
    assert all(one["name"].endswith("-${FILES:-1}") for one in files)
    replica = compose["services"]["replica"]
    assert replica["deploy"]["replicas"] == "${REPLICAS:-3}", "a deploy would undo any other number"
    assert replica["image"].startswith("${WYOMING_CSM_IMAGE:-")
    page = PAGE.read_text(encoding="utf-8")
    assert "`FILES=2`" in page
    (constraint,) = compose["services"]["balancer"]["deploy"]["placement"]["constraints"]
    assert constraint == "node.role == manager"


def test_the_page_has_the_times_of_the_files() -> None:
    config = load(SCALE / "replica.yaml")
    page = PAGE.read_text(encoding="utf-8")
    written = yaml.safe_load(ON_ITS_OWN)
    for name in ("connections", "connections_per_address", "text_characters", "shutdown_seconds"):
        assert written["limits"][name] == getattr(config.limits, name)
    grace = yaml.safe_load((SCALE / "compose.yaml").read_text())["services"]["replica"][
        "stop_grace_period"
    ]
    assert f"`TimeoutStopSec={grace.rstrip('s')}`" in page
    assert f"`stop_grace_period: {grace}`" in page


def test_a_machine_of_one_s_own_listens_where_haproxy_asks(tmp_path: Path) -> None:
    (file := tmp_path / "config.yaml").write_text(ON_ITS_OWN)
    config, text = load(file), CONFIGURATION.read_text(encoding="utf-8")
    ports = {int(port) for port in re.findall(r"server-template replica \d+ \w+:(\d+) ", text)}
    uris = [config.uri, f"tcp://{config.http.address}", f"tcp://{config.balancer.agent}"]
    listens = [int(uri.rpartition(":")[2]) for uri in uris]
    assert set(listens[:2]) == ports
    assert f" agent-port {listens[2]} " in text
    assert all("0.0.0.0" in uri for uri in uris), "HAProxy is another machine"


def test_the_page_has_a_volume_for_each_that_replicas_share() -> None:
    compose = yaml.safe_load((SCALE / "compose.yaml").read_text())
    assert yaml.safe_load(VOLUMES)["volumes"].keys() == compose["volumes"].keys()


def test_debian_s_own_file_stays_and_gives_haproxy_a_user(tmp_path: Path) -> None:
    """Ours says nothing of users: it has to run in an image, and as whoever tests it."""
    commands = "\n".join(re.findall(r"```sh\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL))
    assert f"haproxy -c -f {DEBIAN} -f /etc/haproxy/wyoming-csm.cfg\n" in commands
    assert 'EXTRAOPTS="-S /run/haproxy-master.sock -f /etc/haproxy/wyoming-csm.cfg"' in commands
    if not DEBIAN.exists() or "user haproxy" not in DEBIAN.read_text():
        pytest.skip("HAProxy is not Debian's")
    own = tmp_path / "wyoming-csm.cfg"
    text = re.sub(r"(?ms)^resolvers .*?^\n", "", CONFIGURATION.read_text(encoding="utf-8"))
    own.write_text(re.sub(r"server-template \w+ \d+ \w+:(\d+).*", r"server a 192.0.2.1:\1", text))
    command = [tool("haproxy"), "-c", "-f", str(DEBIAN), "-f", str(own)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[WARNING]" not in done.stderr


def test_what_replicas_share_lies_in_a_volume_that_they_may_write_to() -> None:
    compose, config = (
        yaml.safe_load((SCALE / "compose.yaml").read_text()),
        load(SCALE / "replica.yaml"),
    )
    volumes = compose["services"]["replica"]["volumes"]
    mounts = dict(one.split(":")[::-1] for one in volumes if isinstance(one, str))
    for path in (config.voices, config.lexicon, config.speakers_dir):
        folder = str(Path(path).parent)
        assert mounts[folder] in compose["volumes"]
        made = re.search(r"mkdir -p (.+?) \\\n.*chown -R \S+ (.+)\n", DOCKERFILE.read_text())
        assert made
        assert folder in made[1].split()
        assert folder in made[2].split(), "a new volume has the owner of what it covers"


def test_haproxy_takes_the_file_that_users_get() -> None:
    command = [tool("haproxy"), "-c", "-f", str(CONFIGURATION)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[WARNING]" not in done.stderr


def test_haproxy_takes_what_the_pages_say_of_conversations(tmp_path: Path) -> None:
    for page in (PAGE, PAGE.with_name("kubernetes.md")):
        words = " ".join(page.read_text("utf-8").split())
        assert "`balance source` in place of the other `balance`" in words
        assert "in the backends `wyoming` and `http`" in words
    text = CONFIGURATION.read_text("utf-8")
    for name in ("wyoming", "http"):
        head, _, rest = text.partition(f"\nbackend {name}\n")
        text = (
            f"{head}\nbackend {name}\n{re.sub(r'balance [a-z]+', 'balance source', rest, count=1)}"
        )
    assert (text.count("balance source"), text.count("balance ")) == (2, 4)
    (file := tmp_path / "haproxy.cfg").write_text(text)
    clean(tool("haproxy"), "-c", "-f", str(file))


def test_two_haproxies_are_named_by_their_own_addresses() -> None:
    (paragraph,) = [one for one in PAGE.read_text("utf-8").split("\n\n") if "keepalived" in one]
    assert "`balancer.proxies`" in paragraph


def test_one_address_leaves_connections_for_others() -> None:
    text, limits = CONFIGURATION.read_text("utf-8"), load(SCALE / "replica.yaml").limits
    counts = re.findall(r"reject if \{ sc0_conn_cur\(addresses\) gt (\d+) \}", text)
    assert counts == 2 * [str(limits.connections_per_address)]
    most, http = map(int, re.findall(r"^    maxconn (\d+)$", text, re.MULTILINE))
    assert re.search(rf"^frontend http\n(    .+\n)*    maxconn {http}\n", text, re.MULTILINE)
    assert limits.connections_per_address < http == most / 2
    (places,) = set(re.findall(r"server-template replica (\d+) ", text))
    assert most == limits.connections * int(places) / 2, "as many as replicas take"
    (page,) = re.findall(r"(?ms)^## More than eight replicas\n(.+?)^## ", FLEET)
    cluster = (KUBERNETES / "haproxy/haproxy.cfg").read_text("utf-8")
    (fewer,) = set(re.findall(r"gt (\d+) }", cluster))
    for words in (
        f"`server-template replica {places}`",
        f"`maxconn {most}`, and `maxconn {http}` in the frontend `http` |",
        f" {limits.connections} times N, as many as replicas take",
        f"`gt {counts[0]}` in two lines, on Kubernetes `gt {fewer}` in each",
        f"{limits.connections_per_address} of `limits.connections` {limits.connections} |",
    ):
        assert words in page
    assert f"have {counts[0]} connections to all replicas" in FLEET


def test_where_addresses_are_told_one_of_them_does_not_fill_a_replica(tmp_path: Path) -> None:
    (alone := tmp_path / "config.yaml").write_text(ON_ITS_OWN)
    files = [alone, SCALE / "replica.yaml", *KUBERNETES.rglob("config.yaml")]
    told = [config.limits for config in map(load, files) if config.balancer.proxies]
    assert len(told) == 2
    for limits in told:
        assert limits.connections > limits.connections_per_address


def test_logs_of_containers_are_bounded() -> None:
    services = yaml.safe_load((SCALE / "compose.yaml").read_text())["services"].values()
    options = {"max-size": "10m", "max-file": "3"}
    assert all(one["logging"] == {"driver": "local", "options": options} for one in services)
    for page in (PAGE, PAGE.with_name("security.md")):
        assert " stores 30 MB" in " ".join(page.read_text("utf-8").split())


def test_replicas_in_containers_are_compared_where_they_are(tmp_path: Path) -> None:
    """The page's words of the shell, with a `getent` that says what it says of a service."""
    (script,) = set(re.findall(r"'(wyoming-csm compare .+?)'", PAGE.read_text("utf-8")))
    kinds = ("STREAM replica", "DGRAM  ", "RAW    ")
    found = [f"{ip:15} {kind}" for ip in ("10.201.0.3", "10.201.0.14") for kind in kinds]
    said = "\n".join(found)
    programs = {
        "getent": f'[ "$*" = "ahostsv4 replica" ] && echo "{said}"',
        "wyoming-csm": 'echo "$@"',
    }
    for name, does in programs.items():
        (program := tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = ["sh", "-c", script]
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["compare", "tcp://10.201.0.3:10200", "tcp://10.201.0.14:10200"]
