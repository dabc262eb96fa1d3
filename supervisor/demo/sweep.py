"""Ending what the demonstration started, however it ends itself, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import psutil

_GRACE = 3.0  # seconds for a lane
_SUPERVISOR_GRACE = 15.0  # seconds: it stops its sessions first, each of which has a grace of its own


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started in its process group; it is our child, so its number is its own."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            break
    process.wait()


def end_supervisor(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End a supervisor and all its sessions. What it could not end itself is looked for in `folder`."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_SUPERVISOR_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.returncode in (0, 1):
        return  # it ended in order, after its sessions
    left = [other for other in psutil.process_iter() if _is_ours(other, folder)]
    for other in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            other.kill()
    psutil.wait_procs(left, _GRACE)


def _is_ours(process: psutil.Process, folder: Path) -> bool:
    """Tell whether a process is a worker or an agent over the folder, which only this demonstration uses."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    inside = any(word.startswith(f"{folder}{os.sep}") for word in words)
    return inside and ("supervisor.demo.agent" in words or words[4:5] == ["session"])
