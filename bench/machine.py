"""Where and with what a run was made."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

import headgate
from bench.peers import litellm_version
from headgate import __version__

_PACKAGES = "uvloop httptools uvicorn msgspec".split()


class Machine(msgspec.Struct, frozen=True):
    """The machine and the versions of everything that ran."""

    processor: str
    cores: int
    kernel: str
    versions: dict[str, str]

    def sentence(self) -> str:
        """Name them in a sentence."""
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{self.cores} cores of {self.processor}, Linux {self.kernel}; {versions}."


def this_machine() -> Machine:
    """Describe the machine that we run on."""
    versions = {"Headgate": __version__ + _revision(), "Python": platform.python_version()}
    for name in _PACKAGES:
        versions[name] = _version(name)
    versions |= {"nginx": _nginx(), "litellm": litellm_version()}
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 0,
        kernel=platform.release(),
        versions={name: number for name, number in versions.items() if number},
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return name[1] if name else platform.machine()


def _nginx() -> str:
    if shutil.which("nginx") is None:
        return ""
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return said.strip().rpartition("/")[2]


def _revision() -> str:
    """The commit that the measured source is of, where it is a checkout."""
    folder = Path(headgate.__file__).parent
    asked = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return f" ({done.stdout.strip()})" if done.returncode == 0 else ""
