"""A measurement's record: DATE-HARDWARE-engine.json, the same for people, and its chart.

`python -m benchmarks.record` writes the table of docs/measured.md from the newest records.
"""

import datetime
import json
import re
from pathlib import Path
from typing import Any

from benchmarks.plot import charts

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/measured.md"
FOLDER = ROOT / "benchmarks"
BEGIN, END = "<!-- speed: made by script/bench speed -->", "<!-- end of speed -->"

Found = dict[str, Any]


def write(parts: dict[str, Found], command: str, folder: Path = FOLDER) -> Path:
    """Write a record and return its JSON file; `parts`: what each measurement printed, by name."""
    described = next(part for part in parts.values() if "device" in part)
    today = datetime.date.today().isoformat()
    kind = "gpu" if any(part.get("on_gpu") for part in parts.values()) else "cpu"
    base = folder / f"{today}-{_slug(described['device'])}-engine"
    record = {
        "date": today,
        "kind": kind,
        "hardware": described["device"],
        "versions": {k: described[k] for k in ("python", "torch", "transformers")},
        "command": command,
        "parts": parts,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = base.with_name(base.name + ".json")
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    base.with_name(base.name + ".md").write_text(_for_people(record), encoding="utf-8")
    curves = {
        name: {int(n): ms for n, ms in part["frame_ms_by_batch"].items()}
        for name, part in parts.items()
        if len(part.get("frame_ms_by_batch", {})) > 1
    }
    if curves:
        chart = charts(curves, f"{described['device']}, {today}")
        base.with_name(base.name + ".svg").write_text(chart, encoding="utf-8")
    return path


def newest(kind: str, folder: Path = FOLDER) -> Found | None:
    """The latest record of `cpu` or `gpu`."""
    for path in sorted(folder.glob("*-engine.json"), reverse=True):
        record: Found = json.loads(path.read_text(encoding="utf-8"))
        if record["kind"] == kind:
            return record
    return None


def table(folder: Path = FOLDER) -> str:
    """The table of speed, with the marks around it."""
    lines = [BEGIN]
    gpu, cpu = newest("gpu", folder), newest("cpu", folder)
    if gpu is None:
        lines += ["No GPU has run this yet.", ""]
    for record in filter(None, (gpu, cpu)):
        lines += [
            f"{record['hardware']}, {record['date']}, random weights,"
            f" torch {record['versions']['torch']}:",
            "",
            "| model | ms a frame (80 = real time) | first frame, ms | of the memory's speed"
            " | against transformers | against csm-streaming's loop |",
            "|---|---|---|---|---|---|",
            *(
                _line(name, part)
                for name, part in record["parts"].items()
                if "frame_ms_p50" in part
            ),
            "",
        ]
    return "\n".join((*lines[:-1], END))


def with_table(page: str) -> str:
    """The page's text with the table as it should be."""
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise SystemExit("docs/measured.md: the marks around the table of speed are missing")
    return before + table() + after


def _line(name: str, part: Found) -> str:
    def times(key: str) -> str:
        return f"{part[key]:.1f}x" if part.get(key) else "-"

    share = f"{100 * part['share_of_floor']:.0f} %" if part.get("share_of_floor") else "-"
    name += f", threads: {part['threads']}" if "threads" in part else ""
    return (
        f"| {name} | {part['frame_ms_p50']:.1f} | {part['first_frame_ms']:.0f} | {share} |"
        f" {times('speedup_vs_transformers')} | {times('speedup_vs_csm_streaming')} |"
    )


def _for_people(record: Found) -> str:
    lines = [
        f"# {record['date']}, {record['hardware']}",
        "",
        ", ".join(f"{name} {version}" for name, version in record["versions"].items()) + ".",
        f"`{record['command']}`; random weights.",
    ]
    for name, part in record["parts"].items():
        lines += ["", f"## {name}", "", *(f"    {line}" for line in lines_of(part))]
    return "\n".join(lines) + "\n"


def lines_of(found: Found) -> list[str]:
    """A table for people."""
    return [f"{name:34} {_plain(value)}" for name, value in found.items()]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(v)}" for key, v in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _slug(device: str) -> str:
    """`NVIDIA H200` → h200; a processor's name and threads likewise."""
    words = re.findall(r"[a-z0-9]+", device.lower().replace("nvidia", ""))
    return "-".join(words)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
