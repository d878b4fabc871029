"""A plugin of pytest that writes which tests failed, by their whole names, for canary.py."""

import json
import os
from pathlib import Path

import pytest

_failed: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Begin a list."""
    config.stash[_failed] = []
    config.pluginmanager.register(_Listener(config.stash[_failed]))


class _Listener:
    def __init__(self, failed: list[str]) -> None:
        self._failed = failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self._failed:
            self._failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and report.nodeid not in self._failed:
            self._failed.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write it down; a worker of pytest-xdist leaves that to the process that it reports to."""
    if hasattr(session.config, "workerinput"):
        return
    Path(os.environ["CANARY_REPORT"]).write_text(json.dumps(session.config.stash[_failed]))
