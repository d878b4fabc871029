#!/usr/bin/env python3
"""Makes tests/docker/kubernetes-VERSION.json: Kubernetes' own schemas of our manifests' kinds.

script/kubernetes_schemas.py FOLDER    an unpacked wheel of kubernetes-validate, which has all (of
                                       every kind and release, 108 MB); it comes from
                                       pip download --no-deps kubernetes-validate==1.37.0

Of the strict ones, which refuse a name that is unknown, all that the kinds refer to; without the
words that explain, and without `status`, which no manifest has. A line is a definition.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("1.31.0", "1.37.0")  # of Kubernetes: the oldest with all that is used, and the newest
KINDS = (
    "apps.v1.Deployment",
    "autoscaling.v2.HorizontalPodAutoscaler",
    "batch.v1.Job",
    "core.v1.ConfigMap",
    "core.v1.Namespace",
    "core.v1.PersistentVolumeClaim",
    "core.v1.Service",
    "networking.v1.NetworkPolicy",
    "policy.v1.PodDisruptionBudget",
)
SOURCE = (
    "Kubernetes' definitions, Apache-2.0 (https://github.com/kubernetes/kubernetes), from PyPI's"
    " kubernetes-validate 1.37.0, Apache-2.0; reduced by script/kubernetes_schemas.py"
)
_REFERENCE = re.compile(r'"\$ref": "#/\$defs/([^"]+)"')


def main() -> None:
    for version in VERSIONS:
        folder = Path(sys.argv[1], "kubernetes_validate", "kubernetes-json-schema")
        path = folder / f"v{version}-local-strict" / "_definitions.json"
        definitions = reduced(json.loads(path.read_text(encoding="utf-8"))["$defs"])
        lines = [f"{json.dumps(name)}:{_short(one)}" for name, one in sorted(definitions.items())]
        text = ",\n".join(lines)
        (ROOT / "tests" / "docker" / f"kubernetes-{version}.json").write_text(
            f'{{"$comment":{json.dumps(SOURCE)},\n"$defs":{{\n{text}\n}}}}\n', encoding="utf-8"
        )


def reduced(definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions of `KINDS`, and those that they refer to."""
    kinds = [f"io.k8s.api.{kind}" for kind in KINDS]
    found: dict[str, Any] = {}
    due = list(kinds)
    while due:
        if (name := due.pop()) not in found:
            found[name] = without_words(definitions[name])
            if name in kinds:
                found[name]["properties"].pop("status", None)
            due += _REFERENCE.findall(json.dumps(found[name]))
    return found


def without_words(schema: Any, names: bool = False) -> Any:
    """Return a schema without what explains it; `names`: its keys are a manifest's own."""
    match schema:
        case dict():
            return {
                key: without_words(value, key == "properties")
                for key, value in schema.items()
                if names or not (key == "description" or key.startswith("x-kubernetes"))
            }
        case list():
            return [without_words(one) for one in schema]
    return schema


def _short(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    main()
