"""Every table and figure of both papers as a value: it expands, counts, accounts for what is printed, stays stable."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from typing import get_args

import pytest

from analysis.schema import AtEpoch, Claim, Interaction, Kind, Manifest, Omission, Variance, against
from analysis.scores import METRICS
from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.experiments.datasets import rounds_to
from benchmarks.experiments.planning.base import MEMBERS, narrowed
from benchmarks.experiments.planning.compare import compare
from benchmarks.experiments.planning.cost import bill, family
from benchmarks.experiments.planning.groups import GATE, GROUPS, members
from benchmarks.experiments.planning.method_rows import STEADY_DEMO
from benchmarks.experiments.planning.profiles import DEMO_SETTINGS, PROFILES, stand_in
from benchmarks.experiments.planning.published import cell
from benchmarks.experiments.planning.request import Request
from benchmarks.experiments.sda.table3 import CLASSIFICATION, COLUMNS
from benchmarks.papers import PrintedNumber, printed, published
from benchmarks.spec import Identity, RunSpec, method, parse_grid, run_key
from benchmarks.tasks import TASKS

NAMES = list(EXPERIMENTS)
ANYTHING = Identity(data={}, weights="w", task_version=1, method_version=1)


def in_profiles(name: str) -> Iterator[tuple[str, Experiment]]:
    """Return the experiment in every profile that it has."""
    whole = EXPERIMENTS[name]()
    for profile, transform in PROFILES.items():
        if profile not in whole.not_in:
            yield profile, transform(EXPERIMENTS[name]())


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_expands_in_every_profile_and_counts_its_runs_as_its_docstring_says(name: str) -> None:
    documented = inspect.getdoc(EXPERIMENTS[name]) or ""
    if "Runs: " not in documented:
        documented = inspect.getmodule(EXPERIMENTS[name]).__doc__ or ""
    promised = dict(re.findall(r"(\w+)=(\d+)", re.sub(r"(\d+) (\w+)", r"\2=\1", _runs_line(documented))))
    counted = {profile: str(len(runs(experiment))) for profile, experiment in in_profiles(name)}
    assert counted == promised


def _runs_line(doc: str) -> str:
    match = re.search(r"Runs: ([^.]+)\.|No runs", doc)
    assert match, "the docstring does not say how many runs there are"
    return match[1] or "0 paper, 0 small, 0 demo"


def covers(omission: Omission, number: PrintedNumber) -> bool:
    """Say whether a printed cell is among those an omission gives the reason for; ``*`` stands for any name."""
    pairs = ((number.row, omission.row), (number.column, omission.column))
    return all(fnmatchcase(name, pattern.replace("[", "[[]")) for name, pattern in pairs)


def unaccounted(experiment: Experiment) -> list[tuple[str, str, str, str]]:
    """List printed cells of the experiment's tables that have neither a place nor a stated reason."""
    placed = {number.printed for number in experiment.published} | {point.printed for point in experiment.points}
    return [
        cell(number)
        for table in experiment.tables
        for number in published(table)
        if cell(number) not in placed and not any(covers(omission, number) for omission in experiment.omitted)
    ]


def average_delta(table: str, row: str, columns: tuple[str, ...], baseline: str = "BERT_BASE") -> float:
    """Mean relative reduction of the error against the baseline, in percent, from the printed cells.

    Accuracies count as errors of 100 minus the accuracy.
    """
    errors: dict[tuple[str, str], float] = {}
    for number in published(table):
        if number.metric in ("error_rate", "accuracy"):
            value = number.value if number.metric == "error_rate" else 100 - number.value
            errors[number.row, number.column] = value
    changes = [1 - errors[row, column] / errors[baseline, column] for column in columns]
    return 100 * sum(changes) / len(changes)


def runs(experiment: Experiment) -> set[RunSpec]:
    return {each for *_, spec in experiment.specs() for each in family(spec)}


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_unique_and_the_same_every_time(name: str) -> None:
    for (_, once), (_, again) in zip(in_profiles(name), in_profiles(name), strict=True):
        keys = [key(spec) for spec in dict.fromkeys(spec for *_, spec in once.specs())]
        assert len(set(keys)) == len(keys)
        assert keys == [key(spec) for spec in dict.fromkeys(spec for *_, spec in again.specs())]


@cache
def key(spec: RunSpec) -> str:
    """With its parents' keys, as the suite has it."""
    parents = {"parents": ",".join(map(key, spec.needed))} if spec.needed else {}
    return run_key(spec, replace(ANYTHING, extra=parents))


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_gives_every_cell_one_run_per_seed_or_a_reason(name: str) -> None:
    for _, experiment in in_profiles(name):
        keys = {(row, place, seed): f"{row} {place} {seed}" for row, place, seed, _ in experiment.specs()}
        manifest = experiment.manifest(keys, {})
        for row in experiment.rows:
            for column in experiment.columns:
                cells = manifest.cells[row.id]
                here = cells.get(column.id, cells.get(column.task, []))
                reason = experiment.reason(row.id, column)
                assert bool(reason) != (len(here) == len(experiment.seeds_of(row))), (row.id, column.id)


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_predicts_its_split_with_a_metric_that_exists(name: str) -> None:
    for _, experiment in in_profiles(name):
        for row, place, _, spec in experiment.specs():
            for column in experiment.columns:
                if column.place == place:
                    entry = column.split if column.task == spec.task else f"{column.task}:{column.split}"
                    assert entry in spec.predict, (row, column.id)
        assert {column.metric for column in experiment.columns} <= set(METRICS)
        assert len({column.id for column in experiment.columns}) == len(experiment.columns)
        assert len({row.id for row in experiment.rows}) == len(experiment.rows)


def test_the_demo_needs_generated_tasks_only_and_keeps_to_300_updates() -> None:
    for name in NAMES:
        experiment = dict(in_profiles(name)).get("demo")
        for *_, spec in experiment.specs() if experiment else ():
            assert TASKS[spec.task].generated
            assert spec.model == "tiny"
            updates = 300 if spec.max_steps is None else spec.max_steps
            epochs = spec.epochs * -(-min(spec.max_train_samples or 400, 480) // spec.batch_size)
            longer = spec.max_steps == 900 and name in ("what-drives-smart", "epsilon", "smart-sensitivity")
            assert min(updates, epochs) <= 300 or longer, (name, spec.title)


# --- what is printed ---


@pytest.mark.parametrize("name", NAMES)
def test_every_printed_cell_has_a_place_or_a_stated_reason(name: str) -> None:
    experiment = EXPERIMENTS[name]()
    assert unaccounted(experiment) == []
    rows, columns = {row.id for row in experiment.rows}, {column.id for column in experiment.columns}
    assert all(n.row in rows and n.column in columns for n in (*experiment.published, *experiment.points))


def test_every_table_of_both_papers_belongs_to_an_experiment() -> None:
    accounted = {table for build in EXPERIMENTS.values() for table in build().tables}
    from benchmarks import papers

    there = {path.stem for path in (papers.Path(papers.__file__).parent).glob("*.csv")}
    # quotations of the same numbers elsewhere, and settings, which are no results
    assert there - accounted == {"smart_crosscheck_secondary", "sda_hyperparameters"}


def test_a_cell_that_is_dropped_is_noticed() -> None:
    experiment = EXPERIMENTS["smart-table3"]()
    object.__setattr__(experiment, "published", experiment.published[1:])
    assert len(unaccounted(experiment)) == 1


@pytest.mark.parametrize(
    ("name", "row", "column", "value"),
    [
        ("smart-table1", "smart[shared]", "rte.accuracy", 71.2),
        ("smart-table1", "smart[independent]", "cola.matthews", 59.1),
        ("smart-table1-large", "freelb", "mrpc.f1", 91.4),
        ("smart-table2", "smart[shared]", "ax.matthews.test", 50.2),
        ("smart-table3", "bregman", "mrpc.f1", 90.8),
        ("smart-table5", "mt-dnn", "scitail.accuracy@0.1 %", 81.9),
        ("smart-table6", "smart[shared]", "anli-r3.accuracy.test@mixture", 50.3),
        ("smart-table7", "smart-large[shared]", "scitail.accuracy", 96.2),
        ("sda-table2", "sda[K=all]", "ag-news.error_rate.test", 5.29),
        ("sda-table3", "vote", "yelp-full.error_rate.test", 29.44),
        ("sda-fig3", "sda[K=5]@1.5", "imdb.error_rate.test", 5.37),
    ],
)
def test_published_numbers_stand_where_the_paper_has_them(name: str, row: str, column: str, value: float) -> None:
    placed = {(n.row, n.column): n.value for n in EXPERIMENTS[name]().published}
    assert placed[row, column] == value


@pytest.mark.parametrize("row", ["BERT_VOTE (K=4)", "BERT_AVG (K=4)", "BERT_SE", "BERT_SDV", "BERT_SDA"])
def test_the_average_reductions_of_sda_table_3_recompute_from_its_cells(row: str) -> None:
    table = "sda_table3_bert_base"
    names = {column.task: column.published for column in COLUMNS}
    given = {n.column: n.value for n in published(table) if n.row == row}
    classification = tuple(names[task] for task in CLASSIFICATION)
    inference = ("SNLI", "MNLI-m", "MNLI-mm")
    assert average_delta(table, row, classification) == pytest.approx(
        given["Avg. delta (text classification)"], abs=0.01
    )
    assert average_delta(table, row, inference) == pytest.approx(given["Avg. delta (NLI)"], abs=0.01)


@pytest.mark.parametrize(
    ("row", "recomputed", "given"), [("BERT-L_SDA (K=1)", 5.41, 5.62), ("BERT-L_SDA (K=T-1)", 6.77, 7.02)]
)
def test_those_of_table_4_do_not_and_the_experiment_says_so(row: str, recomputed: float, given: float) -> None:
    table = "sda_table4_bert_large"
    found = average_delta(table, row, ("IMDb", "AG's News"), baseline="BERT-L (authors)")
    cells = {n.column: n.value for n in published(table) if n.row == row}
    assert found == pytest.approx(recomputed, abs=0.005)
    assert cells["Avg. delta (text classification)"] == given
    assert average_delta(table, row, ("SNLI",), "BERT-L (authors)") == pytest.approx(cells["delta (SNLI)"], abs=0.01)
    assert any(str(given) in note and str(recomputed) in note for note in EXPERIMENTS["sda-table4"]().notes)


def test_data_set_sizes_agree_with_the_registry_or_are_explained() -> None:
    differ = {}
    for name in ("smart-table8", "sda-table1"):
        facts = EXPERIMENTS[name]().facts
        assert len(facts) > 20
        differ[name] = {f"{fact.dataset} {fact.column}" for fact in facts if not fact.agrees}
        assert all(fact.note for fact in facts if not fact.agrees)
    assert differ["sda-table1"] == set()
    assert differ["smart-table8"] == {
        "RTE #Dev",
        "WNLI #Train",
        "QNLI #Train",
        "QNLI #Dev",
        "QNLI #Test",
        "STS-B #Train",
    }


def test_rounding_is_to_the_printed_precision() -> None:
    assert rounds_to(8_551, "8.5k")
    assert rounds_to(392_702, "393k")
    assert not rounds_to(104_743, "108k")
    assert not rounds_to(277, "276")


# --- claims ---


def claims() -> list[tuple[Experiment, Claim]]:
    return [
        (experiment, claim) for build in EXPERIMENTS.values() for experiment in [build()] for claim in experiment.claims
    ]


def test_there_are_enough_claims_of_each_paper_under_names_of_their_own() -> None:
    sentences: dict[str, set[str]] = {"SMART": set(), "SDA": set()}
    for _, claim in claims():
        for paper in sentences:
            if claim.table.startswith(paper):
                sentences[paper].add(claim.sentence)
    assert len(sentences["SMART"]) >= 30
    assert len(sentences["SDA"]) >= 20
    assert max(Counter(claim.id for _, claim in claims()).values()) == 1
    kinds = {part.kind for _, claim in claims() for part in claim.statements}
    assert kinds == {kind.kind for kind in get_args(Kind)}


def test_a_claim_is_about_rows_tasks_and_metrics_its_experiment_has() -> None:
    for experiment, claim in claims():
        rows = {row.id for row in experiment.rows} | {"published"}
        assert {claim.a, claim.b} <= rows, claim.id
        assert set(claim.tasks) <= set(experiment.tasks), claim.id
        for name in ("columns", "against_columns"):
            assert set(getattr(claim.test, name, None) or ()) <= {column.id for column in experiment.columns}, claim.id
        assert set(getattr(claim.test, "against_tasks", None) or ()) <= set(experiment.tasks), claim.id
        if claim.kind == "difference" and claim.metric:
            metrics = {column.metric for column in experiment.columns if column.task in claim.tasks}
            assert claim.metric in metrics, claim.id


def recomputed(experiment: Experiment, claim: Claim) -> float | None:
    """Compute the size, in its own unit and direction, from the printed numbers that are placed in the table.

    The mean over its columns, the smallest for "every"; of a spread, the ratio of ranges; None if not all are printed.
    """
    test = claim.test
    columns = columns_of(experiment, claim)
    if isinstance(test, Variance):
        a, b = (printed_range(experiment, row, columns[0]) for row in (claim.a, claim.b))
        return b / a if claim.direction == "less" else a / b
    if isinstance(test, AtEpoch):
        early, last = (printed_difference(experiment, claim, columns, epoch) for epoch in (test.epoch, 6))
        return early if early is None or last is None or not test.against_last else early - last
    value = printed_difference(experiment, claim, columns)
    if not isinstance(test, Interaction):
        return value
    others = test.against_columns or [first_column(experiment, task) for task in test.against_tasks or ()]
    other = printed_difference(experiment, claim, others)
    return None if value is None or other is None else value - other


def columns_of(experiment: Experiment, claim: Claim) -> Sequence[str]:
    """Return the columns of its judge: those it names, else each task's first with its metric."""
    named = getattr(claim.test, "columns", None)
    return named if named is not None else [first_column(experiment, task, claim.metric) for task in claim.tasks]


def first_column(experiment: Experiment, task: str, metric: str = "") -> str:
    return next(c.id for c in experiment.columns if c.task == task and metric in ("", c.metric))


def printed_range(experiment: Experiment, row: str, column: str) -> float:
    ends = {p.x: p.value for p in experiment.points if (p.row, p.column) == (row, column)}
    return ends["whisker_high"] - ends["whisker_low"]


def printed_difference(
    experiment: Experiment, claim: Claim, columns: Sequence[str], epoch: int | None = None
) -> float | None:
    """Return the mean over columns, the smallest for "every"; None where a cell of either row is not printed."""
    differences = printed_differences(experiment, claim, columns, epoch)
    if not differences:
        return None
    return min(differences) if claim.quantifier == "every" else sum(differences) / len(differences)


def printed_differences(
    experiment: Experiment, claim: Claim, columns: Sequence[str], epoch: int | None = None
) -> list[float] | None:
    """Of each column, with a positive sign in the claimed direction; None where a cell of either row is not printed.

    A box's cell is its median, a level line's cell its level.
    """
    cells = {(n.row, n.column): n.value for n in experiment.published}
    cells |= {(p.row, p.column): p.value for p in experiment.points if p.x == "median" or p.axis == "lambda"}
    if epoch is not None:
        cells = {(p.row, p.column): p.value for p in experiment.points if p.axis == "epoch" and p.x == epoch}
    elif experiment.name == "sda-fig5":
        cells = {(p.row, p.column): p.value for p in experiment.points if p.x == 6}
    pairs = [(cells.get((claim.a, c)), cells.get((claim.b, c))) for c in columns]
    sign = 1 if claim.direction == "greater" else -1
    differences = [sign * (a - b) for a, b in pairs if a is not None and b is not None]
    return differences if len(differences) == len(columns) else None


# statement -> why its size is no difference of printed cells
SIZES_IN_PROSE = {
    **{
        f"smart-anli-{name}-{reading}": "the text holds SMART's dev score against the baseline's printed under Test"
        for name in ("mixture", "alone")
        for reading in ("shared", "independent")
    },
    "smart-time": "section 8.1 says about three times",
    "smart-memory": "section 8.1 says about twice",
    "sda-memory-against-sdv": "less than 1.0 times: the text says less, without a number",
}


def test_every_size_recomputes_from_the_printed_cells_in_the_claims_own_unit() -> None:
    """To the second digit."""
    checked = set()
    for experiment, claim in claims():
        for part in claim.statements:
            if part.size is None or claim.id in SIZES_IN_PROSE:
                continue
            again = recomputed(experiment, claim.of_part(part))
            assert again is not None, claim.id
            assert part.size == pytest.approx(again, abs=0.006), (claim.id, part.clause, again)
            checked.add(claim.id)
    assert set(SIZES_IN_PROSE) <= {claim.id for _, claim in claims()}
    assert len(checked) >= 50


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_is_read_as_it_was_written(name: str) -> None:
    for _, experiment in in_profiles(name):
        manifest = experiment.manifest({}, {})
        assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_control_studies_alone_may_be_decided_on_some_of_their_tasks() -> None:
    """A narrowed experiment keeps its claims whole: the verdict says which tasks it rests on."""
    for _, claim in claims():
        is_own = claim.table.endswith("control study") or claim.table in ("study 1", "study 2", "study 3")
        assert claim.partial == is_own, claim.id
    cola = narrowed(EXPERIMENTS["what-drives-smart"](), tasks=("cola",))
    assert {each.partial for each in cola.manifest({}, {}).claims} == {True}
    assert cola.claims[0].tasks == ("cola", "rte", "mrpc", "sst2")


@pytest.mark.parametrize(
    ("name", "seeds", "rate"),
    [
        ("attack-seeds", range(10, 18), 5e-5),
        ("attack-half-rate", range(8), 2.5e-5),
        ("attack-double-rate", range(8), 1e-4),
        ("attack-slice", range(20, 28), 5e-5),
    ],
)
def test_an_attack_changes_what_the_plan_says_and_nothing_else(name: str, seeds: range, rate: float) -> None:
    studies = [
        PROFILES["small"](EXPERIMENTS[study]()) for study in ("what-drives-sda", "together", "what-drives-smart")
    ]
    core = {row: spec for study in studies for row, place, _, spec in study.specs() if place == "cola"}
    attack = PROFILES["small"](EXPERIMENTS[name]())
    found = [(row, spec) for row, _, _, spec in attack.specs()]
    assert len(found) == 48
    assert set(found) == {
        (row.id, replace(core[row.id], seed=seed, learning_rate=rate)) for row in attack.rows for seed in seeds
    }
    studied = {claim.id: claim for study in studies for claim in study.claims}
    assert len(attack.claims) == 5
    for claim in attack.claims:
        same = studied[claim.id.replace(name, "control")]
        assert claim == replace(same, id=claim.id, table=claim.table, tasks=("cola",), partial=False)


def test_a_row_is_asked_for_by_its_name_and_a_method_by_its_own() -> None:
    """``vanilla`` is a row; that label smoothing and triple epochs have its method does not make them it."""
    whole = EXPERIMENTS["what-drives-smart"]()

    def rows(text: str) -> list[str]:
        return [row.id for row in narrowed(whole, methods=text).rows]

    assert rows("vanilla,r-drop") == ["vanilla", "r-drop"]
    assert rows("smart[shared]") == ["smart[shared]"]
    assert rows("smart") == ["smart[shared]", "smart[independent]"]  # no row is called so
    assert rows("bregman:ema,vanilla,smoothness[independent]:none") == [  # in table order
        "vanilla",
        "smoothness[independent]:none",
        "bregman:ema",
    ]
    assert rows("smoothness:dropout=shared,direction=random,vanilla") == ["vanilla", "smoothness[shared]:random"]
    assert rows("all") == [row.id for row in whole.rows]
    with pytest.raises(UsageError, match="has no row sda"):
        rows("vanilla,sda")


@pytest.mark.parametrize("name", sorted(name for name in EXPERIMENTS if EXPERIMENTS[name]().rows))
def test_every_row_can_be_asked_for_by_its_name(name: str) -> None:
    whole = EXPERIMENTS[name]()
    for row in whole.rows:
        assert [each.id for each in narrowed(whole, methods=row.id).rows] == [row.id]
    both = ",".join(row.id for row in whole.rows[:2])
    assert [each.id for each in narrowed(whole, methods=both).rows] == [row.id for row in whole.rows[:2]]


PAPERS_MODELS = re.compile(r"BERT|MT-DNN|GLUE|SNLI|SciTail|IMDb|AG's")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "regression"])
def test_the_demo_claims_what_its_own_runs_decide_and_shows_nothing_of_the_papers(name: str) -> None:
    experiment = dict(in_profiles(name)).get("demo")
    if experiment is None:
        return
    assert (experiment.published, experiment.points, experiment.omitted) == ((), (), ())
    texts = [experiment.title, *experiment.notes, *(row.title for row in experiment.rows)]
    rows, columns = {row.id for row in experiment.rows}, {column.id for column in experiment.columns}
    for claim in experiment.claims:
        texts += [claim.id.replace("beats", ""), claim.sentence, claim.table, claim.untested]
        assert (claim.min_seeds, claim.model, claim.partial) == (5, "", False)
        for part in claim.statements:
            assert part.size is None
            assert set(part.tasks) <= set(experiment.tasks)
            assert {part.a, part.b} <= rows
            assert set(getattr(part.test, "columns", None) or ()) <= columns
            assert part.kind not in ("constant", "loss-between")  # they need a printed value
    assert not [text for text in texts if PAPERS_MODELS.search(text)]
    assert len({(claim.sentence, claim.reading) for claim in experiment.claims}) == len(experiment.claims)


def test_claims_of_the_demo_are_about_the_tasks_that_are_run() -> None:
    whole = Request(name="smart-table1").experiment()
    first = whole.claims[0]
    assert [claim.reading for claim in whole.claims if claim.sentence == first.sentence] == ["shared", "independent"]
    assert first.sentence == "SMART scores higher than plain fine-tuning on average over the nine generated tasks."
    assert first.tasks == whole.tasks
    assert len({spec for *_, spec in whole.specs()}) == 135
    fewer = Request(name="smart-table1", tasks="rte,cola", methods="vanilla,smart[shared]").experiment()
    assert {claim.tasks for claim in fewer.claims} == {("demo-rte", "demo-cola")}
    assert [claim.sentence for claim in fewer.claims] == [
        f"SMART [shared masks] scores higher than plain fine-tuning {where} demo-rte and demo-cola."
        for where in ("on average over", "on each of")
    ]
    parts = {claim.id: claim.parts for claim in dict(in_profiles("sda-table3"))["demo"].claims}
    assert [part.tasks for part in parts["demo-sda-below-sdv-on-nli"]] == [("demo-sst2", "demo-cola")]


def test_a_claim_that_cannot_be_is_refused() -> None:
    good = {"id": "x", "sentence": "s", "table": "t", "contrast": against("a", "b"), "tasks": ("rte",)}
    Claim(**good)
    for wrong in (
        {"direction": "more"},
        {"tasks": ()},
        {"size": -1.0},
        {"partial": True, "quantifier": "every"},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Claim(**{**good, **wrong})


# --- particular experiments ---


def test_domain_adaptation_has_exactly_the_published_sizes_and_no_holdout() -> None:
    printed_sizes = {int(line["value"]) for line in printed("smart_table5_domain_adaptation") if "Train" in line["row"]}
    specs = [spec for *_, spec in EXPERIMENTS["smart-table5"]().specs()]
    assert {spec.max_train_samples for spec in specs} == printed_sizes
    assert {spec.holdout for spec in specs} == {0.0}
    assert {spec.seeds()["seed_subsample"] for spec in specs} == {0, 1, 2, 3, 4}


def test_stability_varies_the_order_and_nothing_else_of_the_data() -> None:
    specs = [spec for row, _, _, spec in EXPERIMENTS["sda-fig4"]().specs() if row == "vanilla"]
    seeds = [spec.seeds() for spec in specs]
    assert len({seed["seed_order"] for seed in seeds}) == 40
    assert {seed["seed_init"] for seed in seeds} == {seed["seed_subsample"] for seed in seeds} == {0}
    assert {(spec.per_class, spec.max_train_samples, spec.holdout) for spec in specs} == {(500, None, 0.0)}


def test_vote_and_average_replicates_share_no_parent() -> None:
    found = [spec for row, _, _, spec in EXPERIMENTS["sda-table3"]().specs() if row == "vote" and spec.task == "imdb"]
    parents = [parent for spec in found for parent in spec.parents]
    assert len(parents) == len(set(parents)) == MEMBERS * len(found)
    vanilla = {spec for row, _, _, spec in EXPERIMENTS["sda-table3"]().specs() if row == "vanilla"}
    assert vanilla & set(parents)  # the first ones are runs of the plain row


def test_a_row_can_take_a_multiple_of_the_shared_epochs_in_every_profile() -> None:
    for _, experiment in in_profiles("what-drives-smart"):
        by_row = {row: spec for row, _, _, spec in experiment.specs()}
        plain, longer = by_row["vanilla"], by_row["vanilla-3x"]
        assert longer.epochs == 3 * plain.epochs
        assert longer.max_steps == (None if plain.max_steps is None else 3 * plain.max_steps)


def test_experiments_share_their_runs() -> None:
    """Those of selection-bias predict dev after each epoch, which does for the runs that predict it at the end."""
    table1, selection = runs(EXPERIMENTS["smart-table1"]()), runs(EXPERIMENTS["selection-bias"]())
    assert {replace(spec, predict_each=None) for spec in table1} < selection
    assert runs(EXPERIMENTS["sda-fig6"]()) < runs(EXPERIMENTS["sda-table2"]())


def test_settings_of_a_demo_of_its_own_replace_the_profiles_in_this_profile_alone() -> None:
    by_profile = {profile: experiment.settings for profile, experiment in in_profiles("smart-table1")}
    assert STEADY_DEMO.settings.items() <= by_profile["demo"].items()
    assert by_profile["demo"]["head_learning_rate"] == DEMO_SETTINGS["head_learning_rate"]
    assert by_profile["paper"]["batch_size"] == 32
    assert DEMO_SETTINGS.items() <= dict(in_profiles("sda-table3"))["demo"].settings.items()


def test_a_demos_own_options_are_set_where_the_method_is_and_said_on_the_page() -> None:
    for name in ("smart-table1", "smart-table1-large"):
        by_profile = dict(in_profiles(name))
        teachers = {
            profile: {row.id: dict(row.method.options).get("teacher") for row in experiment.rows}
            for profile, experiment in by_profile.items()
        }
        assert {row for row, teacher in teachers["demo"].items() if teacher} == {"smart[shared]", "smart[independent]"}
        assert not any([*teachers["paper"].values(), *teachers["small"].values()])
        assert [STEADY_DEMO.note in experiment.notes for experiment in by_profile.values()] == [
            profile == "demo" for profile in by_profile
        ]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_row_of_profile_small_is_named_by_a_model_that_it_does_not_have(name: str) -> None:
    experiment = dict(in_profiles(name)).get("small")
    titles = [row.title for row in experiment.rows] if experiment else []
    assert not [title for title in titles if re.search(r"(^|[^-])\b(RoBERTa|BERT)\b", title)]


def test_in_a_profile_with_one_model_rows_that_differ_in_their_model_are_one() -> None:
    experiment = dict(in_profiles("smart-table7"))["small"]
    assert "vanilla-large" not in {row.id for row in experiment.rows}
    assert "model alone" in experiment.missing["vanilla-large|*"]


def test_ablation_rows_are_the_terms_alone() -> None:
    by_row = {row: spec for row, _, _, spec in EXPERIMENTS["smart-table3"]().specs()}
    assert by_row["bregman"].method == "bregman"
    assert by_row["smoothness[shared]"].method == "smoothness"
    assert dict(by_row["smart[independent]"].options) == {"dropout": "independent"}


# --- papers as groups ---


@pytest.mark.parametrize("group", GROUPS)
def test_a_paper_is_all_its_experiments(group: str) -> None:
    assert members(group)
    prefix = {"smart": "smart-", "sda": "sda-"}
    if group in prefix:
        assert set(members(group)) == {name for name in EXPERIMENTS if name.startswith(prefix[group])}


def test_the_groups_leave_nothing_out_but_the_gate() -> None:
    assert sorted([GATE, *(name for group in GROUPS for name in members(group))]) == sorted(EXPERIMENTS)


def test_the_bill_counts_shared_runs_once() -> None:
    table, selection = EXPERIMENTS["smart-table1"](), EXPERIMENTS["selection-bias"]()
    first, second = bill([selection, table])
    assert (first.runs, first.new) == (216, 216)
    assert (second.runs, second.new) == (135, 0)
    first, second = bill([table, selection])  # the other way round dev's epochs are missing
    assert (first.runs, first.new) == (135, 135)
    assert (second.runs, second.new) == (216, 216)
    one = next(spec for row, _, _, spec in table.specs() if row == "vanilla" and spec.task == "rte")
    assert first.updates > 0
    rte = bill([EXPERIMENTS["smart-table1"]()])[0]
    assert rte.updates == first.updates
    assert one.batch_size == 32


def test_the_bill_of_one_known_run_is_what_arithmetic_says() -> None:
    """RTE: 2,490 examples, 10 % set aside, batches of 32, 3 epochs: 71 updates an epoch."""
    whole = EXPERIMENTS["smart-table1"]()
    columns = tuple(column for column in whole.columns if column.task == "rte")
    one = replace(whole, columns=columns, rows=whole.rows[:1], seeds=(0,))
    (entry,) = bill([one])
    assert (entry.runs, entry.updates, entry.units) == (1, 213, 3 * 213)


def test_what_has_no_demo_says_why() -> None:
    with pytest.raises(UsageError, match="no generated task"):
        PROFILES["demo"](EXPERIMENTS["smart-table6"]())


def test_stand_ins_exist() -> None:
    assert stand_in("snli") == "demo-mnli"
    assert stand_in("demo-rte") == "demo-rte"
    assert stand_in("yelp-full") is None


def test_a_sweep_of_ones_own_is_a_curve_over_the_option() -> None:
    methods = "smoothness:epsilon=0.01,vanilla,smoothness:epsilon=[1e-3,1e-2],smart:dropout=[off,shared]"
    experiment = compare(tasks=("demo-rte",), methods=tuple(parse_grid(methods)), seeds=(0,), settings={})
    points = {row.id: (row.curve, row.x) for row in experiment.rows}
    curve = "smoothness[shared] over epsilon"
    assert points == {
        "smoothness[shared]:epsilon=0.01": (curve, 0.01),
        "vanilla": ("", None),
        "smoothness[shared]:epsilon=0.001": (curve, 0.001),
        "smart[off]": ("", None),
        "smart[shared]": ("", None),
    }
    assert experiment.layout == "sweep"
    plain = compare(tasks=("demo-rte",), methods=tuple(parse_grid("vanilla,smart")), seeds=(0,), settings={})
    assert plain.layout == "methods-by-tasks"


def test_a_task_without_dev_is_compared_on_test() -> None:
    found = compare(tasks=("imdb", "rte"), methods=(method("vanilla"),), seeds=(0,), settings={})
    assert [(column.task, column.split) for column in found.columns] == [("imdb", "test"), ("rte", "dev")]
    assert found.spec(found.rows[0], "imdb", 0).predict == ("holdout", "test")


def _masks(experiment: Experiment, row_id: str) -> str:
    """Return whose dropout masks a row's R_s has: ``shared`` or ``independent``; "" for a row without R_s."""
    row = next((row for row in experiment.rows if row.id == row_id), None)
    if row is None or row.method.name not in ("smart", "smoothness", "smart+sda"):
        return ""
    return str(dict(row.method.options).get("dropout", "shared"))


@pytest.mark.parametrize("name", members("controls"))
def test_a_control_is_asked_about_both_readings_or_says_which_one_it_is_about(name: str) -> None:
    """A paper's claim is a sentence of the paper; the project's own sentences have to be clear by themselves."""
    experiment = EXPERIMENTS[name]()
    for claim in experiment.claims:
        masks = {_masks(experiment, row) for row in (claim.a, claim.b)} - {""}
        alike = {other.reading for other in experiment.claims if other.sentence == claim.sentence}
        if masks and not alike >= {"shared", "independent"} and claim.table.startswith(("control", "study", "attack")):
            assert any(f"{each} masks" in claim.sentence for each in masks), claim.id


def test_half_the_layers_take_half_the_operations():
    whole = EXPERIMENTS["epsilon"]()
    half = replace(whole, settings={**whole.settings, "layers": 6})
    assert bill([half])[0].hours == pytest.approx(bill([whole])[0].hours / 2)
