"""Say which packages differ from the tested set: ``python -m tests.newest``, before tests with the newest versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"


def tested() -> dict[str, str]:
    """Return the versions in constraints.txt by normalised name."""
    pins = re.findall(r"^([\w.-]+)==(\S+)$", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    return {normalised(name): version for name, version in pins}


def normalised(name: str) -> str:
    """Return a package's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return a line for each package that is new or has another version, sorted by name."""
    return [
        f"{name} {before.get(name, '(new)')} -> {version}"
        for name, version in sorted(now.items())
        if before.get(name) != version
    ]


def main() -> None:
    """Print the differences of this environment."""
    now = {normalised(each.metadata["Name"]): each.version for each in distributions()}
    found = differences(tested(), now)
    print("\n".join(["other than in constraints.txt:", *(found or ["nothing"])]))


if __name__ == "__main__":
    main()
