"""Every backbone, optimiser, baseline and task that either paper names is found by ``smart-repro list``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cli import catalogue
from benchmarks.papers import named, printed
from smart_repro import source

# As the papers print them (SMART: sections 4.1 and 4.2, Tables 1 to 8; SDA: sections 4.1 and 4.2, Tables 1 to 4).
BACKBONES = {
    "BERT_BASE": "bert-base-uncased",
    "BERT_LARGE": "bert-large-uncased",
    "RoBERTa_LARGE": "roberta-large",
    "XLNet_LARGE": "xlnet-large-cased",
}
OPTIMISERS = {"Adam": "adam", "RAdam": "radam", "AdamW": "adamw"}
SYSTEMS = (
    *("MT-DNN", "MT-DNN-SMART", "MT-DNN-SMART_v0", "MT-DNN_BASE", "MT-DNN_LARGE", "MT-DNN (Liu et al., 2019a)"),
    *(f"{name} (Zhu et al., 2020; RoBERTa_LARGE)" for name in ("PGD", "FreeAT", "FreeLB")),
    *(f"{name} (ensemble)" for name in ("RoBERTa", "FreeLB", "ALICE", "ALBERT")),
    *("T5 (single)", "XLNet_LARGE (Nie et al., 2019)", "GPT (Radford et al., 2018)", "ULMFiT (Howard and Ruder, 2018)"),
    *("BERT_BASE+SRL (Zhang et al., 2018)", "BERT_LARGE+SRL (Zhang et al., 2018)", "Human Performance"),
    *("BERT_BASE (Sun et al., 2019; extra strategies)", "SMART_BERT (BERT_BASE)", "SMART_RoBERTa (RoBERTa_LARGE)"),
    *("BERT_VOTE (K=4)", "BERT_AVG (K=4)", "BERT_SE", "BERT_SDV", "BERT_SDA", "BERT-L_SDA (K=T-1)"),
)
TASKS = {
    **{"CoLA": "cola", "SST": "sst2", "MRPC": "mrpc", "STS-B": "stsb", "QQP": "qqp", "MNLI-m": "mnli"},
    **{"MNLI-mm": "mnli-mm", "QNLI": "qnli", "RTE": "rte", "WNLI": "wnli", "AX": "ax", "SNLI": "snli"},
    **{"SciTail": "scitail", "ANLI": "anli", "FEVER": "fever-nli", "IMDb": "imdb", "AG's News": "ag-news"},
    **{"DBPedia": "dbpedia", "Yelp Polarity": "yelp-polarity", "Yelp Full": "yelp-full"},
}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("models", tuple(BACKBONES.values())),
        ("optimizers", tuple(OPTIMISERS.values())),
        ("systems", SYSTEMS),
        ("tasks", tuple(TASKS.values())),
        ("experiments", ("hnn",)),  # the model behind SMART's WNLI entry
        ("methods", ("pgd", "freeat", "freelb", "smart", "sda", "sdv", "self-ensemble")),
    ],
)
def test_what_the_papers_name_is_listed_and_has_a_card(kind: str, names: tuple[str, ...]) -> None:
    listed = [row["name"] for row in catalogue.listing(kind)]
    assert set(names) <= set(listed)
    assert len(set(listed)) == len(listed)
    text, _ = catalogue.card(f"{kind.removesuffix('s')}:{names[0]}", Path())
    assert names[0] in text


def test_every_system_is_run_or_has_a_reason() -> None:
    for row in catalogue.listing("systems"):
        assert row["rows"].removeprefix("not run:").strip(), row["name"]


def test_the_lists_are_those_of_the_papers_settings() -> None:
    lines = [*printed("smart_hyperparameters"), *printed("sda_hyperparameters")]
    words = [line["value"] for line in lines if line["row"] == "optimizer"]
    assert {name for text in words for name in text.split("; ")} == set(OPTIMISERS)
    assert set(named.OPTIMIZERS) == set(source.keys("smart_repro.optim", "OPTIMIZERS"))


def test_a_card_of_an_experiment_says_what_is_left_out_and_why() -> None:
    text, content = catalogue.card("experiment:smart-table2", Path())
    assert "ALICE (ensemble)" in json.dumps(content)
    assert "an ensemble of another paper, quoted from the leaderboard" in text
