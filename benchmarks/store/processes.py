"""Identification of this machine's processes, independent of the wall clock."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def boot_id() -> str:
    """Return a name for the machine's last start."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else str(int(psutil.boot_time()))


def process_table() -> str:
    """Return the namespace of process ids: every container of a machine has its own."""
    path = Path("/proc/self/ns/pid")
    return os.readlink(path) if path.is_symlink() else ""


def start_ticks(pid: int) -> int | None:
    """Return the clock ticks from the machine's start to that of a process, which do not depend on the wall clock.

    Field 22 of ``/proc/PID/stat``, proc(5); None where there is no such file.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])  # the name of the program, in brackets, may hold spaces


def runs(pid: int, ticks: int) -> bool:
    """Return True if the process that started then still runs.

    Args:
        pid: process id.
        ticks: start of the process by :func:`start_ticks`; 0: unknown, then any process with that id counts.
    """
    if not 0 < pid < 2**31:
        return False
    return psutil.pid_exists(pid) if ticks == 0 else start_ticks(pid) == ticks
