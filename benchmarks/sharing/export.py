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
        value: of this run.
        interval: of the mean over the seeds, for new seeds and new items; for one seed of new items alone, which
            ``interval.method`` says.
        scale: what the values are multiplied by to be shown.
    """

    task: str
    split: str
    metric: str
    value: float
    interval: Interval
    scale: float


def export(store: Store, key: str, folder: Path) -> list[Path]:
    """Write the run's model and its card into ``folder``; returns the files.

    Raises: UsageError: no such finished run, no weights kept (with the command that makes them), or a folder that
        holds something already.
    """
    if not store.is_done(key):
        raise UsageError(f"run {key} is not finished: `smart-repro runs list` shows which are")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already: name a new folder with --to")
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
    """The run's model with its trained weights; low-rank additions merged, so that any loader reads it."""
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
    where = "" if store.root == Path("results") else f" --results {store.root}"
    source = {"local": " --data-dir FOLDER", "hub": " --source hub"}.get(run.result["source"], "")
    return f"`smart-repro runs rerun {key} --keep-weights{source}{where}` does it again and keeps them"


# --- scores ---


def scores(store: Store, run: Run, spec: RunSpec) -> list[Score]:
    """Every score the run stored, from its predictions at the last epoch, with an interval."""
    results = Results(store.root)
    siblings = _siblings(store, results, run, spec)
    return [
        _score(results, siblings, run.key, task, split, metric)
        for task, splits in run.result["scores"].items()
        for split, metrics in splits.items()
        for metric in metrics
    ]


def _siblings(store: Store, results: Results, run: Run, spec: RunSpec) -> list[str]:
    """This run and the finished ones that differ from it in their seed alone, on the same data and weights."""
    found = [run.key]
    for key in sorted(store.done_keys() - {run.key}):
        other = results.run(key)
        same_data = all(other.fingerprints[name] == run.fingerprints[name] for name in ("data", "weights"))
        if same_data and _without_seed(store.spec(key)) == _without_seed(spec):
            found.append(key)
    return found


def _without_seed(spec: RunSpec) -> dict[str, Any]:
    """What two seeds of one cell have in common; parents differ in their seeds too."""
    content = {name: value for name, value in spec.canonical().items() if name not in _SEEDS}
    return {**content, "needed": [_without_seed(parent) for parent in spec.needed]}


def _score(results: Results, keys: list[str], own: str, task: str, split: str, metric: str) -> Score:
    frames = {key: results.predictions(key, task, split) for key in keys}
    mine = frames[own]
    alike = [frame for frame in frames.values() if np.array_equal(frame["id"], mine["id"])]  # a holdout is a seed's own
    labels = mine["label"].to_numpy()
    found = np.stack([frame["prediction"].to_numpy() for frame in alike])
    value = METRICS[metric].function(labels, mine["prediction"].to_numpy(), np.ones(len(labels)))
    groups = mine["group"].to_numpy() if "group" in mine else None
    return Score(task, split, metric, float(value), level(metric, labels, found, groups), METRICS[metric].scale)


def level(metric: str, labels: np.ndarray, found: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """The deciding interval of a score itself, as that of its difference from 0.

    Args:
        labels: ``(items,)``.
        found: ``(seeds, items)`` predictions.
        groups: ``(items,)`` of items that belong together, or None.
    """
    if METRICS[metric].decomposes:
        items = np.stack([per_item(metric, labels, each) for each in found])
        return crossed_interval(items, np.zeros_like(items), groups=groups)
    return combine([of_metric([(1.0, found)], labels, METRICS[metric], groups)])


# --- the card ---


def card(store: Store, run: Run, spec: RunSpec) -> str:
    """The model card, in Markdown with the hub's YAML head."""
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
    about = f"One run of smart-repro, seed {spec.seed}, key `{run.key}`."
    return f"{_head(spec)}\n{title}\n\n{about}\n\n{body}"


def _head(spec: RunSpec) -> str:
    tags = "".join(f"- {tag}\n" for tag in ("smart-repro", spec.method))
    library = "smart-repro" if _is_pooled(spec) else "transformers"
    return f"---\nlibrary_name: {library}\npipeline_tag: text-classification\ntags:\n{tags}---\n"


def _loading(spec: RunSpec, run: Run) -> str:
    kind, origin, why = "AutoModelForSequenceClassification", "transformers", ""
    if _is_pooled(spec):
        kind, origin = "PooledClassifier", "smart_repro.heads"
        why = (
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
```{why}"""


def _is_pooled(spec: RunSpec) -> bool:
    """Whether the head is :class:`smart_repro.heads.PooledClassifier`, not the architecture's own."""
    return spec.head in source.value("smart_repro.heads", "POOLINGS")


def _columns(spec: RunSpec) -> tuple[str, ...]:
    from benchmarks.tasks import TASKS

    return TASKS[spec.task].text


def _warnings(spec: RunSpec, run: Run) -> str:
    found = []
    if run.task["generated"]:
        found.append("Trained on GENERATED data, a demonstration: it knows nothing about real text.")
    if run.model["contaminated"]:
        found.append(f"{run.model['contaminated']}: scores on such data are not of unseen text.")
    if spec.random_weights:
        found.append("The encoder started from random weights, without pre-training.")
    if spec.precision != "fp32":
        found.append(f"Trained and scored in {spec.precision}; in float32 single predictions may differ.")
    found += [*run.data["notes"], *run.model.get("notes", ())]
    found.append("The scores are those after the last update; nothing was selected on dev.")
    return "\n".join(f"- {note}" for note in found)


def _scores(found: list[Score]) -> str:
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
        for score in found
    ]
    table = _table(("on", "metric", "this run", "mean of seeds", "95 % interval", "seeds", "items"), rows)
    several = any(score.interval.n_seeds > 1 for score in found)
    alone = any(score.interval.n_seeds == 1 for score in found)
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
    """The file without the folders of the machine it was read on."""
    return "/".join(Path(source).parts[-2:]) if source.startswith("/") else source


def _method(spec: RunSpec, run: Run) -> str:
    from smart_repro.card import card as method_card

    about = method_card(spec.method)
    meanings = {option.name: option.meaning for option in about.options}
    options = [(f"`{n}`", f"`{value}`", meanings.get(n, "")) for n, value in run.spec["method_config"].items()]
    combined = f" The {spec.combine} of {len(spec.parents)} such runs." if spec.combine else ""
    lines = [f"`{spec.method}`, version {about.version}: {about.title}{combined}", "", f"Paper: {about.paper}."]
    if options:
        lines += ["", _table(("option", "value", "meaning"), options)]
    if about.deviations:
        lines += ["", "Readings and deviations:", "", *(f"- {each}" for each in about.deviations)]
    return "\n".join(lines).replace("``", "`")


def _settings(spec: RunSpec) -> list[tuple[str, str]]:
    about_data = {"task", "method", "options", "model", "predict", "init_from", "parents", "combine"}
    plain = {name: value for name, value in spec.to_json().items() if name not in about_data}
    return [(f"`{name}`", f"`{value}`") for name, value in plain.items() if value is not None]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])
