from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from world import Arm, Exam, World


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three arms, three kinds of metric, one missing and one collapsed run, one published cell."""
    arms = [
        Arm("vanilla"),
        Arm("smart-shared", "SMART [shared]", "smart", "shared", gain=8.0, parts=("task", "smoothness", "bregman")),
        Arm("r-drop", "R-Drop <script>alert(1)</script> & 5_%", "r-drop", missing=(2,), collapsed=(1,)),
    ]
    exams = [
        Exam("demo-rte", items=300, ceiling=0.87, votes=True),
        Exam("demo-cola", "matthews", items=200),
        Exam("demo-stsb", "pearson", items=150, classes=1),
    ]
    published = [
        {"row": "vanilla", "column": "demo-rte.accuracy", "value": 63.5, "source": "Table 1"},
        {"row": "smart-shared", "column": "demo-rte.accuracy", "value": 71.2, "source": "Table 1"},
    ]
    return World(tmp_path_factory.mktemp("small"), arms, exams, extra={"published": published}).write()
