"""The kernels of every instruction set in plain C++, NEON among them under an emulator."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent / "cross" / "neon.sh"


@pytest.mark.skipif(sys.platform != "linux", reason="the script is for Linux")
@pytest.mark.parametrize("target", ["neon", "native"])
def test_leaf_kernels_and_drivers(target: str) -> None:
    for tool in ("bash", "g++"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} not found")
    done = subprocess.run(
        ["bash", str(SCRIPT), target], capture_output=True, text=True, timeout=300
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = "neon" if target == "neon" else "generic"
    assert f"{wanted}: " in done.stdout
