"""The studies behind the findings: their arms, seeds and working points; rows that follow the papers to the letter."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import analysis.claims
from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.experiments.planning import tuning
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.planning.request import Request
from benchmarks.spec import RunSpec
from smart_repro.methods import build


def small(name: str, **options: object) -> Experiment:
    return Request(name=name, profile="small", **options).experiment()


def by_row(experiment: Experiment, place: str) -> dict[str, RunSpec]:
    """Return the first seed's runs of a place."""
    return {row: spec for row, at, seed, spec in experiment.specs() if at == place and seed == experiment.seeds[0]}


# --- study 1 ---


def test_the_radius_study_has_the_arms_and_seeds_that_were_planned() -> None:
    experiment = small("epsilon", settings=["learning_rate=1e-4"])
    seeds = Counter(row for row, *_ in experiment.specs())
    many = ["vanilla", "epsilon-ascent@1e-05", "epsilon-ascent@0.01", "epsilon-ascent@0.03"]
    many += ["epsilon-signs@0.01", "epsilon-signs@0.03"]
    assert {row: count for row, count in seeds.items() if count == 8} == dict.fromkeys(many, 8)
    assert set(seeds.values()) == {8, 5}
    radii = [row.x for row in experiment.rows if row.curve == "epsilon-ascent"]
    assert radii == [1e-5, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0]
    for row, spec in by_row(experiment, "sst2").items():
        assert (spec.model, spec.max_train_samples, spec.batch_size, spec.precision) == ("minilm", 2500, 16, "fp32")
        assert (spec.learning_rate, spec.epochs) == (1e-4, 9 if row.startswith("epsilon-3x") else 3)
        assert spec.smoothness_radii == (0.01, 0.1, 1.0)


def test_each_arm_of_the_radius_study_is_what_its_name_says() -> None:
    specs = by_row(small("epsilon"), "sst2")

    def config(row: str) -> dict[str, object]:
        return vars(build(specs[row].method, **dict(specs[row].options)).config)

    ascent = config("epsilon-ascent@0.03")
    assert (ascent["epsilon"], ascent["sigma"], ascent["eta"]) == (0.03, 0.03, pytest.approx(3.0))
    assert (ascent["lambda_s"], ascent["dropout"], ascent["direction"]) == (1.0, "shared", "ascent")
    signs = config("epsilon-signs@0.03")
    assert (signs["epsilon"], signs["direction"], signs["dropout"]) == (0.03, "signs", "shared")
    for x, weight in ((1e-3, 1e2), (1e-5, 1e6)):
        assert config(f"epsilon-equal-strength@{x:g}")["lambda_s"] == pytest.approx(weight)
        assert config(f"epsilon-equal-strength@{x:g}")["eta"] == pytest.approx(100 * x)
    assert config("epsilon-eta-fixed@0.01")["eta"] == 1e-3
    assert specs["epsilon-eta-fixed@1e-05"] == specs["epsilon-ascent@1e-05"]  # 100 epsilon is the paper's step there
    assert config("epsilon-independent@0.01")["dropout"] == "independent"
    alone = config("epsilon-0[independent]")
    assert (alone["dropout"], alone["direction"]) == ("independent", "none")


def test_the_radius_is_chosen_on_seeds_and_examples_of_its_own() -> None:
    experiment = small("epsilon-choice")
    specs = [spec for *_, spec in experiment.specs()]
    assert {spec.seed for spec in specs} == {100, 101, 102}
    assert {spec.predict for spec in specs} == {("tuning",)}
    assert {spec.tuning_rows for spec in specs} == {2000}
    assert not {100, 101, 102} & {seed for name in ("epsilon", "equal-budgets") for seed in small(name).seeds}
    ascents = {row.id for row in small("epsilon").rows if row.curve == "epsilon-ascent"}
    assert {row.id for row in experiment.rows} == ascents


def test_the_chosen_radius_is_confirmed_by_the_studys_own_runs_at_fresh_seeds() -> None:
    confirmed = small("epsilon-confirmation", methods="vanilla,epsilon-ascent@0.003")
    asked = small("epsilon", methods="vanilla,epsilon-ascent@0.003", seeds="10-17")
    assert {spec for *_, spec in confirmed.specs()} == {spec for *_, spec in asked.specs()}
    seeds = {seed for name in ("epsilon", "epsilon-choice") for seed in small(name).seeds}
    assert not seeds & set(confirmed.seeds)
    tested = {(claim.a, claim.b) for claim in confirmed.claims}
    assert tested == {(row.id, "vanilla") for row in small("epsilon").rows if row.curve == "epsilon-ascent"}


def test_seeds_that_are_asked_for_are_those_of_all_rows() -> None:
    asked = small("epsilon", methods="vanilla,epsilon-ascent@0.003", seeds="10-17")
    assert Counter(row for row, *_ in asked.specs()) == {"vanilla": 8, "epsilon-ascent@0.003": 8}


# --- study 2 ---


def test_the_teacher_study_crosses_size_and_dropout_at_the_papers_head_rate() -> None:
    experiment = small("self-distillation")
    assert Counter(place for _, place, *_ in experiment.specs()) == {"sst2": 56, "ag-news": 56}
    arms = {
        (dict(spec.options).get("K", 1), dict(spec.options).get("teacher_dropout", "off"))
        for row, spec in by_row(experiment, "ag-news").items()
        if row != "vanilla"
    }
    assert arms == {(k, dropout) for k in (1, 5, "all") for dropout in ("off", "shared")}
    assert {spec.head_learning_rate for *_, spec in experiment.specs()} == {1e-3}
    assert {spec.learning_rate for *_, spec in experiment.specs()} == {5e-5}


def test_the_third_teacher_stands_beside_the_same_runs_of_the_study() -> None:
    beside, study = by_row(small("self-distillation-masks"), "sst2"), by_row(small("self-distillation"), "sst2")
    own = beside.pop("sda[K=1]:independent")
    assert beside == {row: study[row] for row in ("vanilla", "sda[K=1]", "sda[K=1]:shared")}
    assert own == replace(study["sda[K=1]"], options=(("teacher_dropout", "independent"),))


# --- both in other settings ---


FEW = {"epsilon-ascent@0.01", "epsilon-signs@0.01", "epsilon-0[independent]"}  # arms of study 1 with five seeds
ELSEWHERE = {  # experiment -> its study, where its runs are, and what differs there
    "epsilon-half-rate": ("epsilon", "sst2@half the learning rate", {"learning_rate": 5e-5}),
    "epsilon-three-layers": ("epsilon", "sst2", {"layers": 3}),
    "epsilon-ag-news": (
        "epsilon",
        "ag-news",
        {"task": "ag-news", "max_length": 256, "predict": ("holdout", "test")},
    ),
    "self-distillation-double-rate": (
        "self-distillation",
        "sst2@twice the learning rate",
        {"learning_rate": 2e-4},
    ),
    "self-distillation-paper-rate": (
        "self-distillation",
        "sst2@two fifths of the learning rate",
        {"learning_rate": 1e-4 * 0.4},
    ),
    "self-distillation-three-layers": ("self-distillation", "sst2", {"layers": 3}),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_elsewhere_one_thing_differs_from_the_study(name: str) -> None:
    study, place, change = ELSEWHERE[name]
    asked = {"settings": ["learning_rate=1e-4"]}
    here, there = by_row(small(study, **asked), "sst2"), by_row(small(name, **asked), place)
    assert {row: replace(here[row], **change) for row in there} == there
    seeds = Counter(row for row, *_ in small(name).specs())
    assert seeds == {row: 5 if row in FEW else 8 for row in there}
    assert small(name).claims
    for claim in small(name).claims:
        assert {claim.a, claim.b} <= set(there)
        assert claim.sentence.endswith(f"{small(name).title.removeprefix(small(study).title.partition(':')[0] + ' ')}.")


# --- study 3 ---


def test_equal_budgets_have_six_trials_on_two_seeds_for_each_arm(tmp_path: Path) -> None:
    grid = tuning.tuning(small("equal-budgets"), tmp_path)
    specs = [(row, place) for row, place, _, _ in grid.specs()]
    arms = Counter(row.partition("#")[0] for row, place in specs if place == "sst2")
    assert arms == dict.fromkeys(("vanilla", "r-drop", "smart[shared]", "sda"), 12)
    second = {row.partition(",")[2] for row, _ in specs if row.startswith("smart")}
    assert second == {"epsilon=1e-05", "epsilon=0.01"}
    assert {row.partition(",")[2] for row, _ in specs if row.startswith("sda")} == {"K=1", "K=5"}
    assert len({spec for *_, spec in grid.specs()}) == 96


def test_published_smart_takes_the_rate_that_plain_was_tuned_to() -> None:
    whole = small("equal-budgets")
    rows = {row.id: row for row in whole.rows}
    trial = tuning.trials(rows["vanilla"], whole.settings)[4]
    assert trial.row.settings["learning_rate"] == 1e-4
    row = tuning.at_rate(rows["smart-as-published"], {"sst2": trial})
    spec = replace(whole, rows=(row,), baseline=row.id).spec(row, "sst2", 0)
    assert (spec.learning_rate, spec.batch_size, spec.options) == (1e-4, 16, ())


# --- the primary contrasts ---


def test_every_primary_contrast_is_a_claim_of_a_study_as_its_line_says() -> None:
    path = Path(analysis.claims.__file__).parent / "primary.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert 0 < len(lines) <= 12
    names = {"1": "epsilon", "2": "self-distillation", "3": "equal-budgets"}
    for line in lines:
        experiment = small(names[line["study"]])
        (claim,) = (each for each in experiment.claims if each.id == line["claim"])
        assert claim.tasks == (line["task"],)
        assert {len(experiment.seeds_of(row)) for row in experiment.rows if row.id in (claim.a, claim.b)} == {8}
        assert int(line["seeds"]) == claim.min_seeds == 8
        assert float(line["size"]) <= 1.0
        assert all(line[name] for name in ("committed", "arms", "working_point", "unit", "forecast"))


# --- label noise and sizes ---


def test_label_noise_changes_the_labels_and_nothing_else() -> None:
    experiment = small("label-noise")
    (clean, *noisy) = [by_row(experiment, place)["vanilla"] for place in experiment.places]
    assert [spec.label_noise for spec in (clean, *noisy)] == [0.0, 0.1, 0.2, 0.4]
    assert {replace(spec, label_noise=0.0) for spec in noisy} == {clean}


def test_sizes_have_equal_updates_and_a_holdout_outside() -> None:
    specs = [by_row(small("size-curve"), place)["vanilla"] for place in small("size-curve").places]
    assert [spec.max_train_samples for spec in specs] == [100, 300, 1000, 3000] * 2
    assert {(spec.holdout, spec.holdout_rows) for spec in specs} == {(0.0, 250)}
    assert all("holdout" in spec.predict for spec in specs)

    def updates(spec: RunSpec) -> int:
        whole = spec.epochs * -(-int(spec.max_train_samples or 0) // spec.batch_size)
        return min(whole, spec.max_steps or whole)

    assert [updates(spec) for spec in specs] == [564] * 4 + [21, 57, 189, 564]
    assert specs[3] == specs[7]  # the curves meet at the largest size


def test_a_size_that_leaves_no_holdout_is_left_out() -> None:
    columns = small("size-curve", tasks="rte").columns  # 2,490 training examples
    assert {column.settings["max_train_samples"] for column in columns} == {100, 300, 1000}


@pytest.mark.parametrize("name", ["smart-sensitivity", "epsilon", "label-noise", "size-curve", "optimizers"])
def test_sweeps_take_any_classification_task(name: str) -> None:
    assert {spec.task for *_, spec in small(name, tasks="ag-news,qnli").specs()} == {"ag-news", "qnli"}
    demo = Request(name=name, tasks="qnli").experiment()
    assert {spec.task for *_, spec in demo.specs()} == {"demo-qnli"}
    with pytest.raises(UsageError, match="has no classes"):
        small(name, tasks="stsb")
    with pytest.raises(UsageError, match="evaluates runs of another task"):
        small(name, tasks="mnli-mm")


def test_a_claim_follows_to_another_task_only_if_it_names_none() -> None:
    own = {claim.id for claim in small("smart-sensitivity").claims}
    on_another = small("smart-sensitivity", tasks="sst2").claims
    assert {claim.id for claim in on_another} == own
    assert {claim.tasks for claim in on_another} == {("sst2",)}
    assert small("epsilon", tasks="qnli").claims == ()
    assert small("self-distillation", tasks="sst2,qnli").claims  # those on SST-2


# --- to the letter ---


@pytest.mark.parametrize(("task", "rate"), [("cola", 0.05), ("mnli", 0.3), ("rte", None)])
def test_profile_small_keeps_the_printed_dropout_of_the_head(task: str, rate: float | None) -> None:
    specs = by_row(small("smart-table1"), task).values()
    assert {spec.head_dropout for spec in specs} == {rate}
    starts = [spec.init_from for spec in by_row(small("smart-table4"), "rte").values() if spec.init_from]
    assert {start.head_dropouts for start in starts if isinstance(start, RunSpec)} == {(("mnli", 0.3),)}


def test_profile_small_keeps_the_rate_of_the_softmax_layer_and_imdbs_six_epochs() -> None:
    for name in ("sda-table2", "sda-table3", "sda-fig3", "sda-fig5"):
        for *_, spec in small(name).specs():
            for run in spec.parents or (spec,):
                assert run.head_learning_rate == 1e-3
                assert run.epochs == (6 if run.task == "imdb" else 3)


@pytest.mark.parametrize("name", ["what-drives-smart", "together", "what-drives-sda", "attack-seeds"])
def test_studies_with_runs_from_before_keep_their_keys(name: str) -> None:
    specs = [spec for *_, spec in small(name).specs()]
    assert {(spec.head_dropout, spec.head_learning_rate) for spec in specs} == {(None, None)}


def test_the_optimiser_control_has_adam_and_radam_without_decay_and_six_epochs() -> None:
    specs = by_row(small("optimizers"), "sst2")
    ways = {(spec.optimizer, spec.weight_decay, spec.epochs) for spec in specs.values()}
    assert ways == {("adamw", 0.01, 3), ("adam", 0.0, 3), ("radam", 0.0, 3), ("adam", 0.0, 6)}
    assert {spec.method for spec in specs.values()} == {"vanilla", "smart"}


def test_the_l2_ball_is_a_curve_of_the_sensitivity_study() -> None:
    specs = by_row(small("smart-sensitivity"), "rte")
    assert {dict(spec.options)["p"] for row, spec in specs.items() if row.startswith("l2-radius@")} == {2}


@pytest.mark.parametrize("name", ["sda-table3", "mechanism"])
def test_sda_has_the_papers_teacher_sizes(name: str) -> None:
    for profile in PROFILES:
        rows = {row.id for row in PROFILES[profile](EXPERIMENTS[name]()).rows}
        assert {"sda[K=1]", "sda[K=5]", "sda[K=all]"} <= rows


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_nothing_is_left_out_without_a_reason(name: str) -> None:
    for profile, transform in PROFILES.items():
        experiment = EXPERIMENTS[name]()
        assert all(experiment.not_in.values())
        if profile not in experiment.not_in:
            experiment = transform(experiment)
        assert all(omission.reason.strip() for omission in experiment.omitted)
        assert all(reason.strip() for reason in (*experiment.missing.values(), *experiment.unscored.values()))


@pytest.mark.parametrize("name", ["sda-table4", "smart-table1-large", "smart-table6"])
def test_claims_about_large_models_name_them(name: str) -> None:
    experiment = EXPERIMENTS[name]()
    assert {claim.model for claim in experiment.claims} == {experiment.settings["model"]}
    assert {claim.model for claim in PROFILES["small"](experiment).claims} == {experiment.settings["model"]}


def test_figure_2s_claims_on_mnli_are_of_roberta_and_the_projects_own_of_any_model() -> None:
    models = {claim.tasks: claim.model for claim in EXPERIMENTS["smart-fig2"]().claims}
    assert models == {("mnli", "mnli-mm"): "roberta-large", ("snli",): ""}
