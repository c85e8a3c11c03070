"""A finished run as a folder that others can load: weights, tokenizer, configuration and a model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.crossed import combine, crossed_interval, of_metric
from analysis.results import Results, Run
from analysis.scores import METRICS, per_item
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.own import enter
from benchmarks.training import models
from benchmarks.training.parents import read_weights
from smart_repro import source
from smart_repro.hnn.options import HNN_HEADS

if TYPE_CHECKING:
    from torch import nn

    from analysis.interval import Interval

_SEEDS = ("seed", "seed_init", "seed_order", "seed_dropout", "seed_noise", "seed_subsample")
_PLACE = "path/to/this/folder"


@dataclass(frozen=True)
class Score:
    """One metric of the exported run, with the seeds of its cell that the results folder has.

    Attributes:
        value: score of this run.
        interval: interval of the mean over the seeds, for new seeds and new items; for one seed of new items alone, as
            ``interval.method`` states.
        scale: factor of the displayed values.
    """

    task: str
    split: str
    metric: str
    value: float
    interval: Interval
    scale: float


def export(store: Store, key: str, folder: Path) -> list[Path]:
    """Write the run's model and its card into ``folder``; return the files.

    Raises: UsageError: no such finished run, no stored weights (with the command that makes them), or a folder that is
        not empty.
    """
    if not store.is_done(key):
        raise UsageError(f"run {key} is not finished: `smart-repro runs list` shows which are")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty: name a new folder with --to")
    store.verify(key)
    run, spec = Results.open(store.root).run(key), store.spec(key)
    enter(spec.definitions)
    if spec.head in HNN_HEADS:
        raise UsageError(f"run {key} is an HNN, which no loader of transformers reads: export a run with another head")
    model = _model(store, key, spec, run)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)  # type: ignore[operator]  # of a PreTrainedModel or a PooledClassifier
    models.tokenizer(spec.model).save_pretrained(folder)
    (folder / "README.md").write_text(card(store, run, spec), encoding="utf-8")
    return sorted(path for path in folder.iterdir() if path.is_file())


def _model(store: Store, key: str, spec: RunSpec, run: Run) -> nn.Module:
    """Return the run's model with its trained weights, low-rank additions merged, so that any loader reads it."""
    from smart_repro.hf import merged
    from smart_repro.methods import build
    from smart_repro.models import load

    path = store.weights(key)
    if not path.is_file():
        raise UsageError(f"run {key} kept no weights: {_remedy(store, key, spec, run)}")
    labels = run.task["labels"]
    model = load(
        models.resolve(spec.model).folder,
        num_labels=len(labels or [0]),
        head=spec.head,
        layers=spec.layers,
        dropout=spec.dropout,
        head_dropout=spec.head_dropout,
        random_weights=True,
    )
    build(spec.method, **dict(spec.options)).setup(model, max(1, run.result["steps"]))  # lora adds to the model
    try:
        model.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise UsageError(
            f"{path} does not fit {spec.model}: it was written for another model, or is a model of several tasks, "
            "which no single task's loader reads"
        ) from error
    config: Any = model.config
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
    else:
        config.problem_type = "regression"
    return merged(model).eval()


def _remedy(store: Store, key: str, spec: RunSpec, run: Run) -> str:
    if spec.combine == "vote":
        return f"a vote has none of its own. Export one of its parents: {', '.join(run.fingerprints['parents'])}"
    results_option = "" if store.root == Path("results") else f" --results {store.root}"
    source = {"local": " --data-dir FOLDER", "hub": " --source hub"}.get(run.result["source"], "")
    if spec.definitions:
        source = f" {spec.definitions[0].place_options}{source if run.result['source'] == 'hub' else ''}"
    return f"`smart-repro runs rerun {key} --keep-weights{source}{results_option}` does it again and keeps them"


# --- scores ---


def scores(store: Store, run: Run, spec: RunSpec) -> list[Score]:
    """Return every score that the run stored, from its predictions at the last epoch, with an interval."""
    results = Results(store.root)
    siblings = _siblings(store, results, run, spec)
    return [
        _score(results, siblings, run.key, task, split, metric)
        for task, splits in run.result["scores"].items()
        for split, metrics in splits.items()
        for metric in metrics
    ]


def _siblings(store: Store, results: Results, run: Run, spec: RunSpec) -> list[str]:
    """Return this run and the finished ones that differ from it in the seed alone, on the same data and weights."""
    keys = [run.key]
    for key in sorted(store.done_keys() - {run.key}):
        candidate = results.run(key)
        same_data = all(candidate.fingerprints[name] == run.fingerprints[name] for name in ("data", "weights"))
        if same_data and _without_seed(store.spec(key)) == _without_seed(spec):
            keys.append(key)
    return keys


def _without_seed(spec: RunSpec) -> dict[str, Any]:
    """Return the settings that all seeds of a cell share; parents differ in their seeds too."""
    content = {name: value for name, value in spec.canonical().items() if name not in _SEEDS}
    return {**content, "needed": [_without_seed(parent) for parent in spec.needed]}


def _score(results: Results, keys: list[str], key: str, task: str, split: str, metric: str) -> Score:
    frames = [results.predictions(sibling, task, split) for sibling in keys]
    own_frame = frames[keys.index(key)]
    same_rows = [frame for frame in frames if np.array_equal(frame["id"], own_frame["id"])]  # a holdout is one seed's
    labels = own_frame["label"].to_numpy()
    predictions = np.stack([frame["prediction"].to_numpy() for frame in same_rows])
    value = METRICS[metric].function(labels, own_frame["prediction"].to_numpy(), np.ones(len(labels)))
    groups = own_frame["group"].to_numpy() if "group" in own_frame else None
    return Score(task, split, metric, float(value), level(metric, labels, predictions, groups), METRICS[metric].scale)


def level(metric: str, labels: np.ndarray, predictions: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the deciding interval of a score, computed as that of its difference from 0.

    Args:
        metric: name of the metric.
        labels: ``(items,)``.
        predictions: ``(seeds, items)``.
        groups: ``(items,)`` names of groups of dependent items, or None.
    """
    if METRICS[metric].decomposes:
        items = np.stack([per_item(metric, labels, row) for row in predictions])
        return crossed_interval(items, np.zeros_like(items), groups=groups)
    return combine([of_metric([(1.0, predictions)], labels, METRICS[metric], groups)])


# --- the card ---


def card(store: Store, run: Run, spec: RunSpec) -> str:
    """Return the model card, in Markdown with the hub's YAML head."""
    sections = {
        "How to load it": _loading(spec, run),
        "Read this first": _warnings(spec, run),
        "Scores": _scores(scores(store, run, spec)),
        "Data": _data(spec, run),
        "Method": _method(spec, run),
        "Training": _table(("setting", "value"), _settings(spec)),
        "Environment": _table(("what", "version"), [(name, str(value)) for name, value in run.environment.items()]),
    }
    body = "\n".join(f"## {title}\n\n{text}\n" for title, text in sections.items() if text)
    title = f"# {run.task['title']}: {spec.model.rsplit('/', 1)[-1]} fine-tuned with `{spec.choice.label}`"
    subtitle = f"One run of smart-repro, seed {spec.seed}, key `{run.key}`."
    return f"{_head(spec)}\n{title}\n\n{subtitle}\n\n{body}"


def _head(spec: RunSpec) -> str:
    tags = "".join(f"- {tag}\n" for tag in ("smart-repro", spec.method))
    library = "smart-repro" if _is_pooled(spec) else "transformers"
    return f"---\nlibrary_name: {library}\npipeline_tag: text-classification\ntags:\n{tags}---\n"


def _loading(spec: RunSpec, run: Run) -> str:
    kind, origin, explanation = "AutoModelForSequenceClassification", "transformers", ""
    if _is_pooled(spec):
        kind, origin = "PooledClassifier", "smart_repro.heads"
        explanation = (
            f"\n\nIts head is `{spec.head}` (a linear layer on the encoder's states, not the architecture's own head), "
            "so `AutoModelForSequenceClassification` cannot read it, and refuses. The lines above need no more of "
            "smart-repro than its core."
        )
    imports = (
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer"
        if not _is_pooled(spec)
        else f"from {origin} import {kind}\nfrom transformers import AutoTokenizer"
    )
    first, *second = (f'["{name} ..."]' for name in _columns(spec))
    texts = ", ".join([first, *second])
    length = models.kept_tokens(spec.model, spec.max_length)
    meaning = "one number per text" if run.task["labels"] is None else f"columns: {', '.join(run.task['labels'])}"
    return f"""```python
{imports}

tokenizer = AutoTokenizer.from_pretrained("{_PLACE}")
model = {kind}.from_pretrained("{_PLACE}").eval()
inputs = tokenizer({texts}, truncation=True, max_length={length}, padding=True, return_tensors="pt")
logits = model(**inputs).logits  # {meaning}
```{explanation}"""


def _is_pooled(spec: RunSpec) -> bool:
    """Return whether the head is :class:`smart_repro.heads.PooledClassifier`, not the architecture's own."""
    return spec.head in source.value("smart_repro.heads", "POOLINGS")


def _columns(spec: RunSpec) -> tuple[str, ...]:
    from benchmarks.tasks import TASKS

    return TASKS[spec.task].text


def _warnings(spec: RunSpec, run: Run) -> str:
    notes = []
    if run.task["generated"]:
        notes.append("Trained on GENERATED data, a demonstration: it knows nothing about real text.")
    if run.model["contaminated"]:
        notes.append(f"{run.model['contaminated']}: scores on such data are not of unseen text.")
    if spec.random_weights:
        notes.append("The encoder started from random weights, without pre-training.")
    if spec.precision != "fp32":
        notes.append(f"Trained and scored in {spec.precision}; in float32 single predictions may differ.")
    notes += [*run.data["notes"], *run.model.get("notes", ())]
    notes.append("The scores are those after the last update; nothing was selected on dev.")
    return "\n".join(f"- {note}" for note in notes)


def _scores(scores: list[Score]) -> str:
    rows = [
        (
            f"{score.task}, {score.split}",
            METRICS[score.metric].title,
            _shown(score.value, score),
            _shown(score.interval.estimate, score) if score.interval.n_seeds > 1 else "",
            f"{_shown(score.interval.low, score)} to {_shown(score.interval.high, score)}",
            str(score.interval.n_seeds),
            f"{score.interval.n_items:,}",
        )
        for score in scores
    ]
    table = _table(("on", "metric", "this run", "mean of seeds", "95 % interval", "seeds", "items"), rows)
    several = any(score.interval.n_seeds > 1 for score in scores)
    alone = any(score.interval.n_seeds == 1 for score in scores)
    notes = [
        "With several seeds the interval is that of their mean, for new seeds and new items at once."
        if several
        else "",
        "With one seed it is for new items alone: what another seed would give is not in it." if alone else "",
    ]
    return f"{table}\n\n{' '.join(note for note in notes if note)}"


def _shown(value: float, score: Score) -> str:
    return f"{score.scale * value:.1f}" if score.scale != 1 else f"{value:.3f}"


def _data(spec: RunSpec, run: Run) -> str:
    from benchmarks.tasks import TASKS

    task, rows = TASKS[spec.task], run.data["rows"]
    lines = [
        f"- Task: {spec.task} ({run.task['title']}), version {run.task['version']}",
        f"- Read from: {run.result['source']}"
        + (f" ({', '.join(map(_file, run.data['sources']))})" if run.data["sources"] else ""),
        *(f"- Licence: {task.licence}" for _ in [1] if task.licence),
        "- Rows: " + ", ".join(f"{name} {count:,}" for name, count in rows.items()),
        *(f"- Fingerprint of {name} (sha256): `{sha}`" for name, sha in run.fingerprints["data"].items()),
        f"- Weights it started from: {run.model['name'].rsplit('/', 1)[-1]}"
        + (f", revision {run.model['revision']}" if run.model["revision"] else "")
        + f", sha256 `{run.fingerprints['weights']}`",
        *(f"- Builds on the run `{parent}`" for parent in run.fingerprints["parents"]),
    ]
    return "\n".join(lines)


def _file(source: str) -> str:
    """Return the file's name with its last folder alone."""
    return "/".join(Path(source).parts[-2:]) if source.startswith("/") else source


def _method(spec: RunSpec, run: Run) -> str:
    from smart_repro.card import card as method_card

    card = method_card(spec.method)
    meanings = {option.name: option.meaning for option in card.options}
    options = [(f"`{n}`", f"`{value}`", meanings.get(n, "")) for n, value in run.spec["method_config"].items()]
    combined = f" The {spec.combine} of {len(spec.parents)} such runs." if spec.combine else ""
    lines = [f"`{spec.method}`, version {card.version}: {card.title}{combined}", "", f"Paper: {card.paper}."]
    if options:
        lines += ["", _table(("option", "value", "meaning"), options)]
    if card.deviations:
        lines += ["", "Readings and deviations:", "", *(f"- {deviation}" for deviation in card.deviations)]
    return "\n".join(lines).replace("``", "`")


def _settings(spec: RunSpec) -> list[tuple[str, str]]:
    shown_above = {"task", "method", "options", "model", "predict", "init_from", "parents", "combine"}
    plain = {name: value for name, value in spec.to_json().items() if name not in shown_above}
    return [(f"`{name}`", f"`{value}`") for name, value in plain.items() if value is not None]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])
