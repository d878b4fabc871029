"""The manifests: of Kubernetes' schemas, rendered where kubectl is, true of the program."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes_schemas import VERSIONS
from msgspec.structs import replace

from tests.fakes import FakeEngine
from tests.server.http.doors import doors
from wyoming_csm import __version__, config
from wyoming_csm.command_line import parse_words
from wyoming_csm.config import Config, HttpConfig
from wyoming_csm.worker.csm.cost import FRAMES_PER_SECOND
from wyoming_csm.worker.csm.usual import frame_limit

FOLDER = Path(__file__).parents[2] / "docker/kubernetes"
CONFIGS = [
    FOLDER / name / "config.yaml" for name in ("base", "overlays/trial", "download", "haproxy")
]
SCALE = FOLDER.parent / "scale/replica.yaml"
PAGE = FOLDER.parents[1] / "docs/kubernetes.md"
KINDS = {  # what each rendering holds
    "base": (
        "ConfigMap Deployment Namespace NetworkPolicy PersistentVolumeClaim"
        " PersistentVolumeClaim PodDisruptionBudget Service"
    ),
    "download": "ConfigMap Job NetworkPolicy",
}
KINDS["overlays/trial"] = KINDS["base"]
KINDS["overlays/fleet"] = KINDS["base"].replace("Namespace ", "HorizontalPodAutoscaler Namespace ")
KINDS["overlays/haproxy"] = KINDS["overlays/fleet"] + (
    " ConfigMap Deployment NetworkPolicy PodDisruptionBudget Service"
)
SCHEMAS = [
    json.loads(Path(__file__).with_name(f"kubernetes-{version}.json").read_text("utf-8"))
    for version in VERSIONS
]


def documents(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / path).read_text(encoding="utf-8")))


def read(path: Path) -> Config:
    """Settings of an earlier release are no good example."""

    def warn(note: str) -> None:
        raise AssertionError(note)

    return config.load(path, warn)


(DEPLOYMENT,) = documents("base/deployment.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
(SERVER,) = POD["containers"]
(JOB,) = documents("download/job.yaml")
PODS = [POD, JOB["spec"]["template"]["spec"]]
(AUTOSCALER,) = documents("autoscaling/autoscaler.yaml")
PROBES = [SERVER[f"{name}Probe"] for name in ("startup", "readiness", "liveness")]


def rendering(folder: str) -> list[dict[str, Any]]:
    """What kubectl makes of a folder."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    command = ("kubectl", "kustomize", str(FOLDER / folder))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module", params=KINDS)
def rendered(request: pytest.FixtureRequest) -> tuple[str, list[dict[str, Any]]]:
    """A folder, and what kubectl makes of it."""
    return request.param, rendering(request.param)


def test_all_is_rendered(rendered: tuple[str, list[dict[str, Any]]]) -> None:
    folder, found = rendered
    assert sorted(one["kind"] for one in found) == sorted(KINDS[folder].split())
    for one in found:
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "wyoming-csm"
    settings = {one["metadata"]["name"] for one in found if one["kind"] == "ConfigMap"}
    pods = [
        one["spec"]["template"]["spec"] for one in found if one["kind"] in ("Deployment", "Job")
    ]
    assert all(":" in one["image"] for pod in pods for one in containers(pod))
    volumes = [
        volume["configMap"] for pod in pods for volume in pod["volumes"] if "configMap" in volume
    ]
    assert {one["name"] for one in volumes} == settings
    if any(one["kind"] == "HorizontalPodAutoscaler" for one in found):
        (server,) = (
            one
            for one in found
            if one["metadata"]["name"] == "wyoming-csm" and one["kind"] == "Deployment"
        )
        assert "replicas" not in server["spec"]


def faults(manifest: dict[str, Any]) -> list[str]:
    """What is wrong with a manifest, by each of Kubernetes' releases."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    kind = f"io.k8s.api.{group.partition('.')[0] or 'core'}.{version}.{manifest['kind']}"
    return [
        f"{error.json_path}: {error.message}"
        for schema in SCHEMAS
        for error in jsonschema.Draft202012Validator(
            {"$ref": f"#/$defs/{kind}", **schema}
        ).iter_errors(manifest)
    ]


def written() -> Iterator[tuple[str, dict[str, Any]]]:
    """The manifests as they are written, before anything is patched."""
    for path in FOLDER.rglob("kustomization.yaml"):
        (folder,) = documents(str(path.relative_to(FOLDER)))
        for name in folder["resources"]:
            if name.endswith(".yaml"):
                file = str((path.parent / name).relative_to(FOLDER))
                yield from ((file, one) for one in documents(file))


def test_all_is_of_kubernetes_schemas() -> None:
    """What kubectl makes of them as well, in the next test; each week by another's program."""
    found = list(written())
    kinds = {one["kind"] for _, one in found} | {"ConfigMap"}  # which is made of files
    assert kinds == set(" ".join(KINDS.values()).split())
    assert [(file, wrong) for file, one in found if (wrong := faults(one))] == []


def test_what_is_rendered_is_of_kubernetes_schemas(
    rendered: tuple[str, list[dict[str, Any]]],
) -> None:
    assert [(one["kind"], wrong) for one in rendered[1] if (wrong := faults(one))] == []


def test_a_name_that_is_unknown_and_a_value_of_another_kind_are_found() -> None:
    pod = {**POD, "restartPolcy": "Always"}
    template = {**DEPLOYMENT["spec"]["template"], "spec": pod}
    wrong = faults({**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "template": template}})
    assert len(wrong) == len(VERSIONS)
    assert "'restartPolcy' was unexpected" in wrong[0]
    assert faults({**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": "two"}})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_the_configuration_is_one_and_its_paths_are_mounted(path: Path) -> None:
    found = read(path)
    base, volumes = read(CONFIGS[0]), {m["mountPath"]: m for m in SERVER["volumeMounts"]}
    assert found.csm.checkpoint == base.csm.checkpoint
    assert found.models_dir == base.models_dir
    if path == CONFIGS[1]:
        assert replace(found, engines=base.engines, csm=base.csm) == base, "it is the same else"
    for written in (base.voices, base.lexicon, base.speakers_dir):
        assert Path("/shared") in Path(written).parents
    assert not volumes["/shared"].get("readOnly")
    assert Path("/", base.models_dir) == Path("/data/models")
    assert Path("/", base.data_dir) == Path("/data")
    assert base.http.token_file is not None
    assert str(Path(base.http.token_file).parent) in volumes
    assert {name for name, mount in volumes.items() if not mount.get("readOnly")} == {
        *("/data", "/shared", "/tmp"),  # noqa: S108
    }


def test_ports_are_those_of_the_configuration_and_all_lead_to_them() -> None:
    found = read(CONFIGS[0])
    ports = {port["name"]: port["containerPort"] for port in SERVER["ports"]}
    assert found.http.address is not None
    assert ports == {
        "wyoming": int(found.uri.rpartition(":")[2]),
        "http": int(found.http.address.rpartition(":")[2]),
    }
    for service in documents("base/services.yaml"):
        assert {one["name"]: one["port"] for one in service["spec"]["ports"]} == ports
        assert all(one["targetPort"] == one["name"] for one in service["spec"]["ports"])
    (policy,) = documents("base/network.yaml")
    (rule,) = policy["spec"]["ingress"]
    assert [one["port"] for one in rule["ports"]] == list(ports)
    (scrape,) = yaml.safe_load((FOLDER / "monitoring/prometheus.yaml").read_text())
    assert scrape["relabel_configs"][0]["regex"] == "server;http"
    own = [name for name in found.http.hosts if name.endswith(".svc.cluster.local")]
    assert own == ["wyoming-csm.wyoming-csm.svc.cluster.local"], "the service's name"


def test_all_select_the_replicas_and_nothing_else() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    (budget,), (policy,) = documents("base/disruption.yaml"), documents("base/network.yaml")
    services = [one["spec"]["selector"] for one in documents("base/services.yaml")]
    chosen = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        budget["spec"]["selector"]["matchLabels"],
        policy["spec"]["podSelector"]["matchLabels"],
        *services,
    ]
    assert all(one == labels for one in chosen)
    job = JOB["spec"]["template"]["metadata"]["labels"]
    (policy,) = documents("download/network.yaml")
    assert policy["spec"]["podSelector"]["matchLabels"] == job != labels
    target = AUTOSCALER["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", DEPLOYMENT["metadata"]["name"])


async def test_probes_ask_what_answers_without_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    http = HttpConfig(address="127.0.0.1:0", token_file=str(tmp_path / "token"))
    names = read(CONFIGS[0]).engines
    async with doors(*map(FakeEngine, names), http=http) as both:
        for probe in PROBES:
            assert probe["httpGet"]["port"] == "http"
            async with both.client.get(probe["httpGet"]["path"]) as answer:
                assert answer.status == 200
                (asked,) = (await answer.json())["engines"]
                assert asked["name"] == "csm", "the system voice is always ready"
    paths = [probe["httpGet"]["path"].partition("?")[0] for probe in PROBES]
    assert paths == ["/health", "/health", "/health/live"]


@pytest.mark.parametrize("path", [CONFIGS[0], CONFIGS[3], SCALE], ids=str)
def test_who_is_ended_speaks_the_longest_reply_to_its_end(path: Path) -> None:
    limits = read(path).limits
    longest = frame_limit("a" * limits.text_characters, 86_400, 0) / FRAMES_PER_SECOND
    assert limits.shutdown_seconds >= longest


def test_who_is_ended_is_given_that_time() -> None:
    limits = read(CONFIGS[0]).limits
    sleep, before = SERVER["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    grace = POD["terminationGracePeriodSeconds"]
    assert grace >= int(before) + limits.shutdown_seconds + 15
    assert grace <= 600, "the cluster autoscaler waits no longer for a node's pods"


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (*pod.get("initContainers", ()), *pod["containers"])


def test_pods_may_do_little_and_commands_are_ours() -> None:
    for pod in PODS:
        assert pod["automountServiceAccountToken"] is False
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 1000)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            if container["name"] != "weights":
                assert parse_words(container["args"]).command == container["args"][0]
            volumes = {volume["name"] for volume in pod["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert SERVER["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    (namespace,) = documents("base/namespace.yaml")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_image_is_of_this_version() -> None:
    for folder in ("base", "download"):
        ((image,),) = (one["images"] for one in documents(f"{folder}/kustomization.yaml"))
        assert image["newTag"] == __version__
        assert all(one["image"] == image["name"] for pod in PODS for one in containers(pod))


def test_the_weekly_validation_knows_all_folders() -> None:
    workflow = (FOLDER.parents[1] / ".github/workflows/canary.yml").read_text()
    listed = re.search(r"for folder in ([\w/ ]+); do\n *kubectl", workflow)
    assert listed
    assert listed[1].split() == sorted(KINDS)
