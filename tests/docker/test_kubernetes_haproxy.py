"""HAProxy before Kubernetes' replicas: it reaches all that it asks, and does what Docker's does."""

import re
import subprocess
from collections import Counter
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from benchmarks.balanced import CONFIGURATION
from tests.docker.test_files import COMPOSE, tool
from tests.docker.test_kubernetes import (
    AUTOSCALER,
    FOLDER,
    PAGE,
    POD,
    SERVER,
    documents,
    read,
    rendering,
)

TEXT = (FOLDER / "haproxy/haproxy.cfg").read_text(encoding="utf-8")
CONFIG = read(FOLDER / "haproxy/config.yaml")
DEPLOYMENT = documents("haproxy/balancer.yaml")[0]
BALANCER = DEPLOYMENT["spec"]["template"]["spec"]
(HAPROXY,) = BALANCER["containers"]
AGENT = 10201


@pytest.fixture(scope="module")
def rendered() -> dict[tuple[str, str], dict[str, Any]]:
    """What there is in the cluster, by kind and name."""
    found = rendering("overlays/haproxy")
    return {(one["kind"], one["metadata"]["name"]): one["spec"] for one in found if "spec" in one}


def lines(text: str) -> Counter[str]:
    """Count lines, without comments and what is otherwise in every cluster."""
    text = re.sub(r"server-template replica \d+ [\w.-]+(:\d+) resolvers \w+", r"replicas\1", text)
    return Counter(line for line in text.splitlines() if line and "#" not in line)


def test_haproxy_does_what_docker_s_does() -> None:
    ours, docker = lines(TEXT), lines(CONFIGURATION.read_text(encoding="utf-8"))
    assert set(docker - ours) == {
        "    default-server send-proxy-v2 check check-send-proxy",
        "resolvers docker",
        "    nameserver dns 127.0.0.11:53",
        "    tcp-request connection reject if { sc0_conn_cur(addresses) gt 256 }",
    }
    guarded = {one for one in ours if " reject " in one}
    assert set(ours - docker) == guarded | {
        "    default-server check",
        "resolvers cluster",
        "    parse-resolv-conf",
        "frontend status",
        "    mode http",
        "    bind :8404",
        "    no log",
        "    monitor-uri /ready",
        "    monitor fail if { nbsrv(wyoming) eq 0 } { nbsrv(wyoming-last) eq 0 }",
    }
    assert (
        HAPROXY["image"] == yaml.safe_load(COMPOSE[2].read_text())["services"]["balancer"]["image"]
    )
    (mount,) = HAPROXY["volumeMounts"]
    assert mount["mountPath"] == "/usr/local/etc/haproxy"


def test_haproxy_takes_the_file() -> None:
    command = [tool("haproxy"), "-c", "-f", str(FOLDER / "haproxy/haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[WARNING]" not in done.stderr


def test_who_may_connect_is_asked_by_haproxy_as_replicas_ask() -> None:
    base = read(FOLDER / "base/config.yaml")
    limits = replace(CONFIG.limits, connections=base.limits.connections)
    limits = replace(limits, connections_per_address=base.limits.connections_per_address)
    assert replace(CONFIG, balancer=base.balancer, limits=limits) == base, "it is the same else"
    assert CONFIG.limits.connections_per_address == CONFIG.limits.connections
    assert CONFIG.balancer.proxies == (), "probes and Prometheus bring no PROXY header"
    assert "send-proxy" not in TEXT
    counts = re.findall(r"reject if \{ sc0_conn_cur\(addresses\) gt (\d+) \}", TEXT)
    assert counts == 2 * [str(base.limits.connections_per_address)]
    (policy,), (direct,) = documents("haproxy/network.yaml"), documents("base/network.yaml")
    assert policy["spec"]["ingress"] == direct["spec"]["ingress"]
    (rule,) = policy["spec"]["ingress"]
    networks = [one["ipBlock"]["cidr"] for one in rule["from"] if "ipBlock" in one]
    let_in = " ".join(["127.0.0.0/8", *networks])  # what is forwarded comes from its own loopback
    assert re.findall(r"reject unless \{ src (.+) \}", TEXT) == 2 * [let_in]


def test_haproxy_reaches_all_that_it_asks(
    rendered: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert CONFIG.balancer.agent == f"0.0.0.0:{AGENT}"
    assert f"agent-check agent-port {AGENT} " in TEXT
    labels = rendered["Deployment", "wyoming-csm"]["template"]["metadata"]["labels"]
    balancers = rendered["Deployment", "wyoming-csm-balancer"]["template"]["metadata"]["labels"]
    (server,) = rendered["Deployment", "wyoming-csm"]["template"]["spec"]["containers"]
    ports = {one["name"]: one["containerPort"] for one in server["ports"]}
    assert ports.pop("agent") == AGENT
    assert ports == {one["name"]: one["containerPort"] for one in SERVER["ports"]}
    replicas = rendered["Service", "wyoming-csm-replicas"]
    assert (replicas["clusterIP"], replicas["publishNotReadyAddresses"]) == ("None", True)
    assert replicas["selector"] == labels != balancers
    name = "wyoming-csm-replicas.wyoming-csm.svc.cluster.local"
    for port in ports.values():
        assert f" {name}:{port} resolvers cluster init-addr none\n" in TEXT
    policy = rendered["NetworkPolicy", "wyoming-csm"]
    assert policy["podSelector"]["matchLabels"] == labels
    let_in = policy["ingress"][1]
    (out, _names) = rendered["NetworkPolicy", "wyoming-csm-balancer"]["egress"]
    assert let_in["from"] == [{"podSelector": {"matchLabels": balancers}}]
    assert out["to"] == [{"podSelector": {"matchLabels": labels}}]
    assert [one["port"] for one in let_in["ports"]] == [*ports, "agent"]
    assert out["ports"] == let_in["ports"]


def test_clients_reach_haproxy_at_the_address_that_they_know(
    rendered: dict[tuple[str, str], dict[str, Any]],
) -> None:
    service = rendered["Service", "wyoming-csm"]
    spec = rendered["Deployment", "wyoming-csm-balancer"]
    chosen = [
        spec["selector"]["matchLabels"],
        rendered["PodDisruptionBudget", "wyoming-csm-balancer"]["selector"]["matchLabels"],
        rendered["NetworkPolicy", "wyoming-csm-balancer"]["podSelector"]["matchLabels"],
        service["selector"],
    ]
    assert all(one == spec["template"]["metadata"]["labels"] for one in chosen)
    ports = {one["name"]: one["containerPort"] for one in HAPROXY["ports"]}
    assert re.findall(r"^    bind :(\d+)$", TEXT, re.MULTILINE) == [*map(str, ports.values())]
    assert {one["targetPort"] for one in service["ports"]} == ports.keys() - {"status"}
    ready = HAPROXY["readinessProbe"]["httpGet"]
    assert f"monitor-uri {ready['path']}\n" in TEXT
    assert ready["port"] == HAPROXY["livenessProbe"]["tcpSocket"]["port"] == "status"


def test_replies_are_spoken_to_their_end_whoever_goes() -> None:
    grace = POD["terminationGracePeriodSeconds"]
    sleep = int(SERVER["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = CONFIG.balancer.drain_seconds
    assert grace >= sleep + drain + CONFIG.limits.shutdown_seconds + 15
    assert BALANCER["terminationGracePeriodSeconds"] == grace
    assert f"    hold obsolete {grace}s\n" in TEXT, "a pod's address goes before its replies"
    slots = {int(one) for one in re.findall(r"server-template replica (\d+) ", TEXT)}
    assert slots == {2 * AUTOSCALER["spec"]["maxReplicas"]}, "as many may be ending"


def test_haproxy_may_do_little() -> None:
    assert BALANCER["automountServiceAccountToken"] is False
    assert BALANCER["securityContext"]["runAsNonRoot"] is True
    assert BALANCER["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert HAPROXY["securityContext"] == SERVER["securityContext"]


def test_the_page_compares_all_replicas_from_where_they_can_be_reached() -> None:
    (command,) = re.findall(r"(?m)^kubectl run compare (?:.+\\\n)*.+$", PAGE.read_text("utf-8"))
    (label,) = re.findall(r" -l ([\w./-]+=\w+) ", command)
    (deployment,) = documents("base/deployment.yaml")
    name, value = label.split("=")
    assert deployment["spec"]["template"]["metadata"]["labels"][name] == value
    (policy,) = documents("base/network.yaml")
    assert policy["spec"]["egress"] == [], "they themselves reach nobody"
    assert {"namespaceSelector": {}} in policy["spec"]["ingress"][0]["from"]
    assert command.index(" -n ") > command.index("$("), "that of replicas lets nobody do much"
