"""Replicas' temporary files: they lie in memory, and have a bound that the page knows."""

import yaml

from tests.docker.test_files import COMPOSE, ROOT
from tests.docker.test_kubernetes import CONFIGS, POD, SCALE, read
from wyoming_csm.audio import BYTES_PER_SECOND
from wyoming_csm.server.http.respond import IN_MEMORY

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
GIB = 2**30


def test_both_have_room_for_as_much_and_no_more() -> None:
    replica = yaml.safe_load(COMPOSE[2].read_text("utf-8"))["services"]["replica"]
    (mount,) = [one for one in replica["volumes"] if isinstance(one, dict)]
    assert mount == {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": GIB}}  # noqa: S108
    assert "tmpfs" not in replica, "a swarm does not look at it, and the root is read-only"
    (tmp,) = [one for one in POD["volumes"] if one["name"] == "tmp"]
    assert tmp["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}


def test_the_page_says_what_does_not_fit() -> None:
    scale, kubernetes = (read(path).limits for path in (SCALE, CONFIGS[3]))
    connections, most = scale.connections, scale.upload_bytes
    fewer = kubernetes.connections
    assert kubernetes.upload_bytes == most
    assert scale.connections_per_address * 2 == connections
    (paragraph,) = [one for one in PAGE.split("\n\n") if "[Many replicas](scale.md)" in one]
    told = " ".join(paragraph.split())
    for words in (
        f"have up to {connections} connections each, on which {connections * most // GIB} GiB",
        "from one address half of it",
        f"(on Kubernetes {fewer} connections each, and {fewer * most // GIB} GiB)",
        "holds 1 GiB in the files of `docker/scale` and `docker/kubernetes`",
        f": {GIB // most} recordings of {most // 2**20} MiB",
        f"longer than {IN_MEMORY // BYTES_PER_SECOND} seconds",
    ):
        assert words in told
    assert "refused with 507" in told
