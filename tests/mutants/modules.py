"""The deciding modules, and the tests that have to catch their mutants: the most specific ones first."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

_METHODS = (
    "tests/core/test_cards.py",
    "tests/core/test_plain_loop.py",
    "tests/core/test_declarations.py",
    "tests/core/test_contract.py",
)
_SMART = ("tests/core/test_methods_smart.py", "tests/core/test_dropout.py", "tests/core/test_perturbation.py")
_STUDENTS = ("tests/core/test_methods_students.py", "tests/core/test_averaging.py")
_ADVERSARIAL = ("tests/core/test_methods_adversarial.py",)
_HEURISTICS = ("tests/core/test_methods_heuristics.py",)
_LOOP = (
    "tests/core/test_cards.py",
    "tests/core/test_sampler_and_encoding.py",
    "tests/core/test_train.py",
    "tests/core/test_plain_loop.py",
    "tests/core/test_checkpoint.py",
)
_HNN = ("tests/core/hnn/test_hnn_scores_and_losses.py", "tests/core/hnn/test_hnn_contract.py")
_CLAIMS = (
    "tests/benchmarks/experiments/test_claims_on_exact_values.py",
    "tests/analysis/test_claim_verdicts.py",
    "tests/analysis/test_claim_kinds.py",
    "tests/analysis/test_claim_floor.py",
    "tests/analysis/test_claim_multiplicity.py",
    "tests/analysis/test_claim_parts.py",
    "tests/analysis/test_claim_replicates.py",
    "tests/analysis/test_claim_bounds.py",
    "tests/analysis/test_attacks.py",
    "tests/analysis/test_coverage.py",
    "tests/analysis/test_results.py",
    "tests/analysis/test_verdict_tables.py",
    "tests/benchmarks/engine/test_claim_power.py",
    "tests/benchmarks/experiments/test_claims_under_noise.py",
    "tests/test_findings.py",
)
_TESTS: dict[str, tuple[str, ...]] = {  # module, or pattern of modules -> its tests
    "smart_repro/perturbation.py": ("tests/core/test_perturbation.py", *_SMART, *_ADVERSARIAL),
    "smart_repro/divergence.py": ("tests/core/test_divergence.py", *_SMART, *_STUDENTS),
    "smart_repro/averaging.py": ("tests/core/test_averaging.py", *_STUDENTS, *_SMART, "tests/core/test_contract.py"),
    "smart_repro/optim.py": (*_LOOP, *_HEURISTICS),
    "smart_repro/train.py": (*_LOOP, "tests/core/test_draws.py", "tests/core/test_shared_encoder.py", *_HEURISTICS),
    "smart_repro/methods/base.py": (*_SMART, *_STUDENTS, *_ADVERSARIAL, *_HEURISTICS, *_METHODS, *_LOOP, *_HNN),
    "smart_repro/methods/terms.py": (*_SMART, *_STUDENTS, *_METHODS),
    "smart_repro/methods/bregman.py": (*_SMART, *_METHODS),
    "smart_repro/methods/smart*.py": (*_SMART, "tests/core/test_methods_released.py", *_STUDENTS, *_METHODS),
    "smart_repro/methods/smoothness.py": (*_SMART, *_METHODS),
    "smart_repro/methods/sd*.py": (*_STUDENTS, *_METHODS),
    "smart_repro/methods/self_ensemble.py": (*_STUDENTS, *_METHODS),
    "smart_repro/methods/combine.py": (*_STUDENTS, *_METHODS),
    "smart_repro/methods/*at.py": (*_ADVERSARIAL, *_METHODS),
    "smart_repro/methods/adversarial.py": (*_ADVERSARIAL, *_METHODS),
    "smart_repro/methods/freelb.py": (*_ADVERSARIAL, *_METHODS),
    "smart_repro/methods/pgd.py": (*_ADVERSARIAL, *_METHODS),
    "smart_repro/methods/r*.py": (*_STUDENTS, *_ADVERSARIAL, *_SMART, *_METHODS),
    "smart_repro/methods/*.py": (*_HEURISTICS, *_METHODS),
    "analysis/crossed.py": (
        "tests/analysis/test_crossed.py",
        "tests/analysis/test_groups.py",
        "tests/analysis/test_significance.py",
        *_CLAIMS,
    ),
    "analysis/scores.py": (
        "tests/analysis/test_scores.py",
        "tests/analysis/test_own_metrics.py",
        "tests/benchmarks/tasks/test_metrics.py",
        "tests/analysis/test_influence.py",
        "tests/analysis/test_significance.py",
        "tests/analysis/predictions/test_judge.py",
    ),
    "analysis/power.py": (
        "tests/analysis/test_power.py",
        "tests/benchmarks/engine/test_claim_power.py",
        "tests/analysis/test_report_own_data.py",
    ),
    "analysis/claims/*.py": _CLAIMS,
}
_ELSEWHERE = ("__init__.py", "claim.py", "as_json.py", "words.py", "verdicts.py")  # they decide nothing


def modules(root: Path) -> tuple[str, ...]:
    """Return the deciding modules as paths below the project's root, sorted."""
    paths = {path for pattern in _TESTS for path in root.glob(pattern) if path.name not in _ELSEWHERE}
    return tuple(sorted(str(path.relative_to(root)) for path in paths))


def files_of(module: str) -> tuple[str, ...]:
    """Return the test files of a module, each once, in the order in which they are run."""
    pattern = next(pattern for pattern in _TESTS if fnmatch(module, pattern))
    return tuple(dict.fromkeys(_TESTS[pattern]))
