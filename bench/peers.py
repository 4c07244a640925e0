"""Other gateways, each in an environment of its own below build/: `python -m bench.peers` installs them.

This downloads some hundred packages from the index that pip is set up to use, once.
"""

from __future__ import annotations

import subprocess
import sys

from bench.programs import BUILD

_FOLDER = BUILD / "litellm"
LITELLM = _FOLDER / "bin" / "litellm"
LITELLM_ENVIRONMENT = {
    "LITELLM_LOG": "ERROR",
    # Without a key nobody is let in by default.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    # It would download a list of prices at every start.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def litellm_version() -> str:
    """Which release is installed; "" if none is."""
    if not LITELLM.is_file():
        return ""
    asked = "from importlib.metadata import version; print(version('litellm'))"
    return subprocess.check_output([_FOLDER / "bin" / "python", "-c", asked], text=True).strip()


def install() -> None:
    """Install litellm's proxy.

    Raises:
        subprocess.CalledProcessError: if that does not succeed; pip says why.
    """
    subprocess.run([sys.executable, "-m", "venv", str(_FOLDER)], check=True)
    subprocess.run([_FOLDER / "bin" / "pip", "install", "--quiet", "litellm[proxy]"], check=True)


if __name__ == "__main__":
    install()
    print(f"litellm {litellm_version()} is installed in {_FOLDER}")
