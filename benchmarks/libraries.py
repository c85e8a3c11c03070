"""Environment variables of libraries that this suite sets, all in one place, each with its reason.

A variable that the user has set is never changed. Workers get their own environment from
:func:`benchmarks.engine.machine.worker_environment`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

# Ray warns at every start until this is set; with "0" tasks without GPUs keep CUDA_VISIBLE_DEVICES as it is, which will
# be Ray's default.
RAY = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# Progress bars of downloads would mix with the lines of a log or a pipe.
NO_PROGRESS_BARS = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

# Trackers would send usage data and error reports over the network.
MLFLOW = {"MLFLOW_DISABLE_TELEMETRY": "true"}
WANDB = {"WANDB_ERROR_REPORTING": "false"}


def set_defaults(variables: Mapping[str, str]) -> None:
    """Set the variables that the environment lacks; libraries read them when they are imported."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)
