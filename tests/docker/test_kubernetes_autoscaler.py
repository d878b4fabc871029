"""Kubernetes' autoscaler: it is told what it asks for, and has replicas enough."""

import json
import re

from tests.docker.test_kubernetes import AUTOSCALER, CONFIGS, FOLDER, PAGE, documents, read
from tests.fakes import FakeEngine
from tests.server.http.doors import doors

RECORD = FOLDER.parents[1] / "benchmarks/2026-11-28-fleet.json"
TARGETS = {
    metric["pods"]["metric"]["name"]: metric["pods"]["target"]["averageValue"]
    for metric in AUTOSCALER["spec"]["metrics"]
}


async def test_the_autoscaler_asks_for_what_is_counted() -> None:
    async with doors(FakeEngine("csm")) as both, both.client.get("/metrics") as answer:
        counted = set(re.findall(r'^(\w+)\{engine="csm"\}', await answer.text(), re.MULTILINE))
    assert TARGETS.keys() <= counted
    (rules,) = documents("monitoring/prometheus-adapter.yaml")
    (rule,) = rules["rules"]["custom"]
    served = re.search(r'__name__=~"([^"]+)"', rule["seriesQuery"])
    assert served
    assert {name for name in counted if re.fullmatch(served[1], name)} == TARGETS.keys()


def test_the_autoscaler_has_no_fewer_replicas_than_are_just_enough_for_a_city() -> None:
    """By the sentences in a step, on the average; somewhat more have slots."""
    record = json.loads(RECORD.read_text("utf-8"))["commands"]
    found = {
        command: f"{told['sentences_a_step']:.1f}"
        for command, told in record.items()
        if re.fullmatch(
            r"\S+ fleet needed --units 100000( --card \S+( \d+')?)?( --balancer random)?", command
        )
    }
    assert len(found) == 5
    busy = int(TARGETS["wyoming_csm_slots_busy"].removesuffix("m")) / 1_000
    assert busy <= min(map(float, found.values()))
    page = PAGE.read_text("utf-8")
    assert all(f" {one} (" in page for one in found.values())
    assert {read(path).csm.slots for path in (CONFIGS[0], CONFIGS[3])} == {16}
    assert f" {busy:g} of 16 slots" in page
