"""An exported run, loaded by the lines its own card gives, predicts what the run stored."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from huggingface_hub import ModelCard
from scipy import stats
from transformers import AutoModelForSequenceClassification

from benchmarks.cli import app as cli
from benchmarks.errors import UsageError
from benchmarks.sharing import model_card
from benchmarks.sharing.export import export
from benchmarks.sharing.model_scores import Score, level
from benchmarks.sharing.runs import keep_weights
from benchmarks.spec import RunSpec, combined
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source, load_split
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results")
    made.prepare()
    return made


@pytest.fixture
def source(glue: Path) -> Source:
    return Source("local", glue)


@pytest.fixture
def rte(little_bert: Path) -> RunSpec:
    return RunSpec(task="rte", model=str(little_bert), epochs=1, learning_rate=1e-3)


def done(spec: RunSpec, store: Store, source: Source, *, weights: bool = True) -> str:
    """Do the run and return its key."""
    job = replace(make_job(spec, source), keep_weights=weights)
    outcome = execute(job, store)
    assert outcome.state in ("done", "skipped"), outcome.message
    return job.key


def loaded_by_the_card(folder: Path, texts: tuple[list[str], ...]) -> np.ndarray:
    """Logits of the texts by the card's own lines, in a process of their own."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), flags=re.S)
    code = code.replace("path/to/this/folder", str(folder))
    placeholders = re.findall(r'\["\w+ \.\.\."\]', code)
    assert len(placeholders) == len(texts)
    for placeholder, column in zip(placeholders, texts, strict=True):
        code = code.replace(placeholder, repr(column))
    code += "\nimport numpy\nnumpy.save('logits.npy', logits.detach().numpy())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, timeout=300)
    return np.load(folder / "logits.npy")


def stored(store: Store, key: str, name: str) -> pd.DataFrame:
    frame = pd.read_parquet(store.runs / key / "predictions" / f"{name}.parquet")
    return frame[frame["epoch"] == frame["epoch"].max()]


@pytest.mark.parametrize(
    ("task", "change"),
    [
        ("rte", {}),
        ("stsb", {"head": "mean"}),
        ("rte", {"head": "cls", "method": "lora", "layers": 1}),
        pytest.param("stsb", {}, marks=pytest.mark.slow),
        pytest.param("cola", {"head": "mean", "method": "smart"}, marks=pytest.mark.slow),
        pytest.param("rte", {"method": "lora"}, marks=pytest.mark.slow),
        pytest.param("rte", {"method": "self-ensemble"}, marks=pytest.mark.slow),
    ],
)
def test_the_card_loads_what_predicts_the_same(
    task: str, change: dict[str, object], rte: RunSpec, store: Store, source: Source, tmp_path: Path
) -> None:
    key = done(replace(rte, task=task, **change), store, source)  # type: ignore[arg-type]
    files = export(store, key, tmp_path / "exported")
    assert {"README.md", "config.json", "tokenizer.json"} < {path.name for path in files}
    dev = load_split(TASKS[task], "dev", source)
    logits = loaded_by_the_card(tmp_path / "exported", dev.texts)
    frame = stored(store, key, f"{task}.dev")
    assert frame["id"].tolist() == dev.ids
    np.testing.assert_allclose(logits, frame.filter(like="logit_").to_numpy(), atol=1e-5)
    if task != "stsb":
        assert logits.argmax(1).tolist() == frame["prediction"].tolist()


def test_the_architectures_own_loader_never_guesses_a_head(
    rte: RunSpec, store: Store, source: Source, tmp_path: Path
) -> None:
    """A folder with the suite's head must be refused by it: a random head in its place would go unnoticed."""
    export(store, done(replace(rte, head="mean"), store, source), tmp_path / "mean")
    assert not list((tmp_path / "mean").glob("*.py"))  # nothing for trust_remote_code to run
    code = (
        "from transformers import AutoModelForSequenceClassification as Auto\n"
        f"try: Auto.from_pretrained({str(tmp_path / 'mean')!r})\n"
        "except ValueError as error: print(error)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "smart-repro-pooled" in process.stdout
    export(store, done(rte, store, source), tmp_path / "own")
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "own").config.id2label[1] == "not_entailment"
    assert "transformers alone loads it" in (tmp_path / "own" / "README.md").read_text()


def test_the_card_says_what_a_reader_must_know(rte: RunSpec, store: Store, source: Source, tmp_path: Path) -> None:
    spec = replace(rte, method="smart", options=(("lambda_s", 3.0),))
    keys = [done(replace(spec, seed=seed), store, source) for seed in (0, 1)]
    done(replace(rte, seed=5), store, source)  # another cell
    export(store, keys[0], tmp_path / "exported")
    text = (tmp_path / "exported" / "README.md").read_text()
    train = load_split(TASKS["rte"], "train", source)
    assert f"Fingerprint of rte.train (sha256): `{train.fingerprint}`" in text
    assert "RTE/train.tsv" in text
    assert str(source.data_dir) not in text  # the folders of this machine are nobody's business
    assert "| `lambda_s` | `3.0` | weight of R_s" in text
    assert "| `ascent_steps` | `1` |" in text
    assert "a SUBSET: 60 of 2,490 official rows" in text
    assert "| torch | " in text
    both = [(frame["label"] == frame["prediction"]).to_numpy() for frame in (stored(store, k, "rte.dev") for k in keys)]
    shown = next(line for line in text.splitlines() if line.startswith("| rte, dev |"))
    own, mean = (f"{100 * value:.1f}" for value in (both[0].mean(), np.mean(both)))
    assert f"| {own} | {mean} |" in shown
    assert shown.endswith("| 2 | 30 |")
    assert "| 1 | 6 |" in next(line for line in text.splitlines() if line.startswith("| rte, holdout |"))


def test_a_damaged_seed_does_not_count_on_the_card_and_is_named(
    rte: RunSpec, store: Store, source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [done(replace(rte, seed=seed), store, source) for seed in (0, 1)]
    path = store.runs / keys[1] / "predictions" / "rte.dev.parquet"
    table = pq.read_table(path)
    place = table.column_names.index("prediction")
    pq.write_table(table.set_column(place, "prediction", table["label"]), path)
    to = tmp_path / "exported"
    assert cli.run_command(["export", keys[0], "--to", str(to), "--results", str(store.root)]) == 0
    assert f"damaged and left out: {keys[1]}. {path} is not what integrity.json says" in capsys.readouterr().err
    assert "| 1 | 30 |" in next(line for line in (to / "README.md").read_text().splitlines() if "| rte, dev |" in line)
    assert cli.run_command(["show", f"run:{keys[1]}", "--results", str(store.root)]) == 2
    assert f"{path} is not what integrity.json says" in capsys.readouterr().err


def test_the_hub_reads_licence_data_and_intervals(rte: RunSpec, store: Store, source: Source, tmp_path: Path) -> None:
    keys = [done(replace(rte, seed=seed), store, source) for seed in (0, 1)]
    export(store, keys[0], tmp_path / "exported", licence="apache-2.0")
    data = ModelCard.load(tmp_path / "exported" / "README.md").data
    assert (data.license, data.datasets, data.metrics) == ("apache-2.0", ["nyu-mll/glue"], ["accuracy"])
    assert data.base_model is None  # a folder of this machine
    (result,) = data.eval_results
    assert (result.dataset_type, result.dataset_config, result.dataset_split) == ("nyu-mll/glue", "rte", "validation")
    right = np.stack([stored(store, key, "rte.dev").eval("label == prediction").to_numpy() for key in keys])
    assert result.metric_value == right[0].mean()
    frames = [stored(store, key, "rte.dev") for key in keys]
    predictions = np.stack([frame["prediction"].to_numpy() for frame in frames])
    interval = level("accuracy", frames[0]["label"].to_numpy(), predictions)
    assert result.metric_args["seeds"] == 2
    if interval.withheld:
        assert result.metric_args["interval_withheld"] == interval.withheld
    else:
        assert result.metric_args["interval_95"] == pytest.approx([interval.low, interval.high])


def test_a_withheld_interval_is_not_shown() -> None:
    labels, predictions = np.array([0, 1] * 100), np.zeros((4, 200))  # every run answers with one class
    interval = level("matthews", labels, predictions)
    assert interval.withheld
    text = model_card.interval_text(Score("cola", "dev", "matthews", 0.0, interval, 100.0))
    assert text == f"withheld: {interval.withheld}"


def test_warnings_of_the_demo(store: Store, tmp_path: Path) -> None:
    source = Source("generated")
    spec = RunSpec(task="demo-rte", model="tiny", head="mean", max_length=32, max_train_samples=40, epochs=1)
    export(store, done(spec, store, source), tmp_path / "exported")
    assert "GENERATED data" in (tmp_path / "exported" / "README.md").read_text()


def test_the_interval_of_one_seed_is_students_t_over_items() -> None:
    labels, predictions = np.array([0, 1, 1, 0, 1, 1, 0, 1]), np.array([[0, 1, 0, 0, 1, 1, 1, 1]])
    right = (labels == predictions[0]).astype(float)
    low, high = stats.t.interval(0.95, len(right) - 1, right.mean(), stats.sem(right))
    interval = level("accuracy", labels, predictions)
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert interval.method == "items only (one seed)"


def test_the_interval_of_a_correlation_is_around_its_mean() -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(size=200)
    found = labels + rng.normal(size=(3, 200))
    interval = level("pearson", labels, found)
    assert interval.estimate == pytest.approx(np.mean([np.corrcoef(labels, each)[0, 1] for each in found]))
    assert interval.low < interval.estimate < interval.high


def test_a_run_without_weights_names_the_command_that_makes_them(
    rte: RunSpec,
    store: Store,
    source: Source,
    glue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = done(rte, store, source, weights=False)
    with pytest.raises(UsageError, match="kept no weights") as refused:
        export(store, key, tmp_path / "exported")
    assert not (tmp_path / "exported").exists()
    remedy = re.findall(r"`smart-repro (.*?)`", str(refused.value))[0].replace("FOLDER", str(glue))
    before = {path: path.read_bytes() for path in (store.runs / key).rglob("*") if path.is_file()}
    for words in (remedy.split(), ["export", key[:8], "--to", str(tmp_path / "x"), "--results", str(store.root)]):
        monkeypatch.setattr(sys, "argv", ["smart-repro", *words])
        assert cli.run_command(sys.argv[1:]) == 0, capsys.readouterr().err
    assert f"smart-repro export {key}" in capsys.readouterr().err
    assert (tmp_path / "x" / "model.safetensors").is_file()
    assert before == {path: path.read_bytes() for path in (store.runs / key).rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="exists and is not empty: name a new folder with --to"):
        export(store, key, tmp_path / "x")


def test_an_average_is_exported_and_a_vote_is_not(rte: RunSpec, store: Store, source: Source, tmp_path: Path) -> None:
    parents = [replace(rte, seed=seed) for seed in (1, 2)]
    keys = [done(parent, store, source) for parent in parents]
    average, vote = (done(combined(how, parents), store, source, weights=False) for how in ("average", "vote"))
    for key in keys:
        store.weights(key).unlink()
    keep_weights(store, average, source)  # and those of its parents, which it needs
    export(store, average, tmp_path / "average")
    assert "The average of 2 such runs" in (tmp_path / "average" / "README.md").read_text()
    with pytest.raises(UsageError, match="a vote has none of its own. Export one of its parents: " + ", ".join(keys)):
        export(store, vote, tmp_path / "vote")
