"""A model against a task: unknown words, too few positions, and a head of its own whose classes stand elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, GPT2Config, GPT2Model

from analysis.integrity import verify_key
from analysis.results import Results
from benchmarks.engine.plan import Plan, make_plan
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.request import Request
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.own import Choices, define, enter
from benchmarks.tasks.sources import WARNING, Source
from benchmarks.training import fit
from benchmarks.training.execute import execute, new_model
from benchmarks.training.job import make_job
from benchmarks.training.prepared import prepare

LABELS = ("entailment", "neutral", "contradiction")
NOUNS, VERBS = ("dog", "cat", "bird", "horse", "child", "nurse"), ("sees", "likes", "fears", "follows")


def classifier(
    folder: Path, little_bert: Path, order: Sequence[int], names: Sequence[str] | None, **config: Any
) -> Path:
    """Make a folder with a fine-tuned model whose output i is the class order[i] of the same head."""
    torch.manual_seed(0)
    shape = BertConfig.from_pretrained(little_bert, num_labels=len(order), initializer_range=0.5, **config)
    model = BertForSequenceClassification(shape)
    with torch.no_grad():
        weight = torch.randn(len(order), 16)[list(order)]
        words = torch.randint(5, shape.vocab_size, (50, 8))
        mean = model.eval().bert(input_ids=words).pooler_output.mean(0)
        model.classifier.weight.copy_(weight)
        model.classifier.bias.copy_(-weight @ mean)  # so that no class is predicted throughout
    if names is not None:
        model.config.id2label = dict(enumerate(names))
        model.config.label2id = {name: i for i, name in enumerate(names)}
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(little_bert / file, folder / file)
    return folder


def sentence(rng: np.random.Generator) -> str:
    return f"the {rng.choice(NOUNS)} {rng.choice(VERBS)} a {rng.choice(NOUNS)} ."


@pytest.fixture(scope="module")
def straight(little_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tmp_path_factory.mktemp("straight"), little_bert, (0, 1, 2), LABELS)


@pytest.fixture(scope="module")
def snli(straight: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SNLI in which every gold label is what the model ``straight`` predicts."""
    rng = np.random.default_rng(0)
    pairs = [(sentence(rng), sentence(rng)) for _ in range(120)]
    tokenizer = AutoTokenizer.from_pretrained(straight)
    model = BertForSequenceClassification.from_pretrained(straight).eval()
    batch = tokenizer([a for a, _ in pairs], [b for _, b in pairs], padding=True, return_tensors="pt")
    with torch.no_grad():
        classes = model(**batch).logits.argmax(1).tolist()
    assert len(set(classes)) == 3
    rows = [
        json.dumps({"sentence1": a, "sentence2": b, "gold_label": LABELS[k], "pairID": f"p{i}"})
        for i, ((a, b), k) in enumerate(zip(pairs, classes, strict=True))
    ]
    root = tmp_path_factory.mktemp("data")
    (root / "SNLI").mkdir()
    (root / "SNLI" / "snli_1.0_train.jsonl").write_text("\n".join(rows[:40]) + "\n")
    (root / "SNLI" / "snli_1.0_dev.jsonl").write_text("\n".join(rows[40:]) + "\n")
    return root


def spec(model: Path | str, **fields: Any) -> RunSpec:
    still = {"max_steps": 1, "learning_rate": 1e-9, "predict": ("dev",), "task": "snli"}
    return RunSpec(model=str(model), **{**still, **fields})


def accuracy(run: RunSpec, data: Path, store: Store) -> float:
    outcome = execute(make_job(run, Source("local", data)), store)
    assert outcome.state == "done", outcome.message
    assert outcome.scores is not None
    return float(outcome.scores["snli"]["dev"]["accuracy"])


# ---- classes


@pytest.mark.parametrize(
    "names",
    [
        ("contradiction", "entailment", "neutral"),
        ("CONTRADICTION", "ENTAILMENT", "NEUTRAL"),
        ("contradictory", "entails", "neutral"),
    ],
)
def test_classes_in_another_order_are_matched_by_name(
    names: tuple[str, ...], straight: Path, little_bert: Path, snli: Path, tmp_path: Path
) -> None:
    """Case 03: a model fine-tuned under another order of the same classes is right from the first step."""
    turned, store = classifier(tmp_path / "turned", little_bert, (2, 0, 1), names), Store(tmp_path / "results")
    assert accuracy(spec(straight), snli, store) == accuracy(spec(turned), snli, store) == 1.0
    (note,) = fit.model_notes(spec(turned))
    assert f"in the order {', '.join(names)}, snli in the order entailment, neutral, contradiction" in note
    (same,) = fit.model_notes(spec(straight))
    assert "brings a head for the classes of snli" in same


def test_a_reordered_head_enters_the_key_and_the_record(
    straight: Path, little_bert: Path, snli: Path, tmp_path: Path
) -> None:
    turned, store = classifier(tmp_path / "turned", little_bert, (2, 0, 1), LABELS[2:] + LABELS[:2]), Store(tmp_path)
    job, plain = (make_job(spec(model), Source("local", snli)) for model in (turned, straight))
    assert execute(job, store).state == execute(plain, store).state == "done"
    stored, unchanged = (json.loads((store.runs / each.key / "spec.json").read_text()) for each in (job, plain))
    assert stored["identity"]["extra"] == {"class_orders": "snli=1 2 0"}
    assert "extra" not in unchanged["identity"]
    for each, content in ((job, stored), (plain, unchanged)):
        verify_key(content, each.key)
    assert any("put into snli's order" in note for note in stored["model"]["notes"])


def test_names_of_other_classes_and_missing_names_are_said(little_bert: Path, snli: Path, tmp_path: Path) -> None:
    other = classifier(tmp_path / "other", little_bert, (0, 1, 2), ("world", "sports", "business"))
    assert "a head for the classes world, sports, business, snli has entailment" in fit.model_notes(spec(other))[0]
    nameless = classifier(tmp_path / "nameless", little_bert, (0, 1, 2), None)
    assert "classes have no names" in fit.model_notes(spec(nameless))[0]
    assert all(note.startswith(WARNING) for model in (other, nameless) for note in fit.model_notes(spec(model)))
    assert fit.class_orders(spec(other)) == fit.class_orders(spec(nameless)) == {}


def test_names_that_stand_in_label2id_only_are_read(little_bert: Path, tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model", little_bert, (0, 1, 2), None)
    config = json.loads((folder / "config.json").read_text())
    config.pop("id2label", None)
    config["label2id"] = {"neutral": 2, "entailment": 1, "contradiction": 0}
    (folder / "config.json").write_text(json.dumps(config))
    assert fit.class_orders(spec(folder)) == {"snli": (1, 2, 0)}


def test_synonyms_of_a_task_are_its_names(little_bert: Path, tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model", little_bert, (0, 1), ("POS", "NEG"))
    for task in ("sst2", "imdb"):
        assert fit.class_orders(spec(folder, task=task)) == {task: (1, 0)}
    other = classifier(tmp_path / "nli", little_bert, (0, 1), ("not-entailment", "Entailment"))
    assert fit.class_orders(spec(other, task="rte")) == {"rte": (1, 0)}


@pytest.mark.parametrize("names", [("плохо", "Хорошо"), ("否定", "肯定"), ("हाँ", "नहीं"), ("क", "का"), ("👍", "👎")])
def test_names_of_every_script_are_matched(names: tuple[str, str], little_bert: Path, tmp_path: Path) -> None:
    rows = "".join(f"word {i},{names[i % 2]}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text("body,mood\n" + rows, encoding="utf-8")
    task = define(Choices(data=str(tmp_path / "rows.csv"), text=("body",), label="mood"))
    enter([task.definition])
    turned = [name.lower() for name in reversed(task.definition.labels)]
    folder = classifier(tmp_path / "model", little_bert, (0, 1), turned)
    assert fit.class_orders(spec(folder, task=task.name)) == {task.name: (1, 0)}


def test_a_head_with_another_number_of_outputs_is_new_and_the_note_says_so(straight: Path, little_bert: Path) -> None:
    (note,) = fit.model_notes(spec(straight, task="rte"))
    assert "a head with 3 outputs, rte needs 2: its head is new" in note
    assert fit.model_notes(spec(little_bert)) == []  # saved without a head


def test_a_fresh_head_is_asked_for_and_has_a_key_of_its_own(straight: Path, snli: Path, tmp_path: Path) -> None:
    run = spec(straight)
    fresh = replace(run, head="new")
    assert "head" not in run.canonical()
    assert fresh.canonical()["head"] == "new"
    assert accuracy(run, snli, Store(tmp_path)) == 1.0 > accuracy(fresh, snli, Store(tmp_path))
    kept: Any = new_model(run)
    one, other = (new_model(replace(fresh, seed=seed)).state_dict() for seed in (1, 2))
    for name, value in kept.state_dict().items():
        assert torch.equal(one[name], value) == (not name.startswith("classifier.")), name
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])
    assert fit.model_notes(fresh) == []
    assert fit.class_orders(fresh) == {}


def test_several_tasks_each_get_their_classes(little_bert: Path, tmp_path: Path) -> None:
    turned = classifier(tmp_path / "turned", little_bert, (1, 0), ("not_entailment", "entailment"))
    both: Any = new_model(spec(turned, task="rte", with_tasks=("qnli",)))
    weight = BertForSequenceClassification.from_pretrained(turned).classifier.weight
    for task in ("rte", "qnli"):
        assert torch.equal(both.tasks[task].classifier.weight, weight.flip(0))


# ---- texts


def planned(model: Path | str, data: Path, results: Path, **options: Any) -> Plan:
    request = Request(
        name="compare", tasks="rte", methods="vanilla", model=str(model), data_dir=data, seeds="1", **options
    )
    return make_plan(*request.found(), Store(results))


def test_a_tokenizer_that_does_not_know_the_texts_is_refused(glue: Path, tmp_path: Path) -> None:
    """Every word of the data is strange to the project's tiny model but ``the``, ``a`` and the full stop."""
    lines = [f"{i}\tquantum flux {i}\tzebra crossing\tentailment" for i in range(30)]
    lines += [f"{i}\tquasar jets\tviola sonata\tnot_entailment" for i in range(30, 60)]
    (tmp_path / "RTE").mkdir()
    for split in ("train", "dev"):
        (tmp_path / "RTE" / f"{split}.tsv").write_text("index\tsentence1\tsentence2\tlabel\n" + "\n".join(lines) + "\n")
    with pytest.raises(UsageError, match=r"--model tiny: its tokenizer does not know \d+ % .* rte.*use minilm"):
        planned("tiny", tmp_path, tmp_path / "results")


@pytest.mark.parametrize(("strange", "noted"), [(0, False), (1, True), (4, True)])
def test_a_share_of_unknown_pieces_is_noted_from_one_percent(
    strange: int, noted: bool, little_bert: Path, tmp_path: Path
) -> None:
    """Of 100 pieces: 20 rows of five words each."""
    words = ["zebra"] * strange + ["dog"] * (100 - strange)
    rows = [words[5 * i : 5 * i + 5] for i in range(20)]
    text = "".join(
        f"{i}\t{' '.join(row[:3])}\t{' '.join(row[3:])}\t{name}\n"
        for i, row in enumerate(rows)
        for name in [("entailment", "not_entailment")[i % 2]]
    )
    (tmp_path / "RTE").mkdir()
    for split in ("train", "dev"):
        (tmp_path / "RTE" / f"{split}.tsv").write_text("index\tsentence1\tsentence2\tlabel\n" + text)
    notes = planned(little_bert, tmp_path, tmp_path / "results").experiment.notes
    expected = f"{WARNING}the tokenizer of {little_bert} does not know {strange} % of the word pieces in rte's training"
    assert any(note.startswith(expected) for note in notes) == noted


@pytest.fixture
def short(little_bert: Path, tmp_path: Path) -> Path:
    """Make a model with positions for eight tokens."""
    return classifier(tmp_path / "short", little_bert, (0, 1), None, max_position_embeddings=8)


def test_texts_longer_than_the_positions_are_cut_with_a_note(short: Path, glue: Path, tmp_path: Path) -> None:
    plan = planned(short, glue, tmp_path / "results", epochs=1)
    (note,) = [note for note in plan.experiment.notes if "positions" in note]
    assert "has positions for 8 tokens, fewer than max_length=128" in note
    (job,) = plan.jobs.values()
    data = prepare(job.spec, job.source)
    assert data.train.lengths.max() == 8 == max(part.encoded.lengths.max() for part in data.evaluated)
    outcome = execute(job, Store(tmp_path / "results"))
    assert outcome.state == "done", outcome.message
    stored = json.loads((tmp_path / "results" / "runs" / job.key / "spec.json").read_text())
    assert any("no more positions" in note for note in stored["model"]["notes"])


def test_notes_stand_in_the_manifest_that_the_report_reads(short: Path, glue: Path, tmp_path: Path) -> None:
    plan = planned(short, glue, tmp_path)
    Store(tmp_path).write_manifest(plan.experiment.manifest(plan.cells, {}))
    warnings = Results.open(tmp_path).manifest("compare").warnings
    assert any("has positions for 8 tokens" in text for text in warnings)
    assert any("classes have no names" in text for text in warnings)


# ---- padding


def test_a_decoder_that_does_not_know_its_padding_token_is_told(glue: Path, little_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gpt2"
    size = len(AutoTokenizer.from_pretrained(little_bert))
    GPT2Model(GPT2Config(vocab_size=size, n_embd=16, n_layer=1, n_head=2, n_positions=64)).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(little_bert / file, folder / file)
    outcome = execute(make_job(spec(folder, task="rte"), Source("local", glue)), Store(tmp_path / "results"))
    assert outcome.state == "done", outcome.message


def test_two_padding_tokens_are_warned_of(little_bert: Path, tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model", little_bert, (0, 1), ("entailment", "not_entailment"), pad_token_id=4)
    assert "pads with token 0, its config.json says 4" in fit.model_notes(spec(folder, task="rte"))[0]


# ---- pairs


def test_a_model_of_one_kind_of_text_with_berts_tokenizer_reads_pairs(
    glue: Path, little_bert: Path, tmp_path: Path
) -> None:
    folder = classifier(tmp_path / "model", little_bert, (0, 1), None, type_vocab_size=1)
    run = spec(folder, task="rte")
    assert "token_type_ids" not in prepare(run, Source("local", glue)).train.batch(np.arange(2))
    assert "token_type_ids" in prepare(replace(run, model=str(little_bert)), Source("local", glue)).train.columns
    outcome = execute(make_job(run, Source("local", glue)), Store(tmp_path / "results"))
    assert outcome.state == "done", outcome.message
