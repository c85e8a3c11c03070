"""Processes of this machine, told apart without the wall clock."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def boot_id() -> str:
    """A name of the machine's last start."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else str(int(psutil.boot_time()))


def process_table() -> str:
    """Which table of processes a pid belongs to: containers of one machine each have their own."""
    path = Path("/proc/self/ns/pid")
    return os.readlink(path) if path.is_symlink() else ""


def start_ticks(pid: int) -> int | None:
    """Clock ticks from the start of the machine to that of a process, which setting the clock does not move.

    Field 22 of ``/proc/PID/stat``, proc(5); None where there is no such file.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])  # the name of the program, in brackets, may hold spaces


def runs(pid: int, ticks: int) -> bool:
    """Whether the process that started then still runs.

    Args:
        ticks: its :func:`start_ticks`; 0: not known, then any process of that number counts.
    """
    if not 0 < pid < 2**31:
        return False
    return psutil.pid_exists(pid) if ticks == 0 else start_ticks(pid) == ticks
