"""What holds for every registered task."""

from __future__ import annotations

import pytest

from analysis.scores import METRICS
from benchmarks.tasks import TASKS
from benchmarks.tasks.base import Classification
from benchmarks.tasks.records import label_index

REAL = [name for name in TASKS if not TASKS[name].generated]
GLUE = ("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "mnli-mm", "qnli", "rte", "wnli", "ax")
NLI = ("snli", "scitail", "anli-r1", "anli-r2", "anli-r3", "anli")
TOPICS = ("imdb", "ag-news", "dbpedia", "yelp-polarity", "yelp-full")


def test_all_tasks_of_both_papers_are_there():
    assert {*GLUE, *NLI, *TOPICS} <= set(REAL)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_complete(name):
    task = TASKS[name]
    assert task.name == name
    assert set(task.metrics) <= set(METRICS)
    assert 1 <= len(task.text) <= 2
    assert task.title


@pytest.mark.parametrize("name", REAL)
def test_a_real_task_says_where_it_is_from(name):
    task = TASKS[name]
    assert task.licence
    assert task.paper
    assert task.splits
    assert "train" in task.splits or task.train_with in TASKS
    for part in (part for parts in task.parts.values() for part in parts):
        assert TASKS[part].head == task.head
        assert TASKS[part].text == task.text
    for split in task.splits:
        assert split in task.parts or any(layout.expects(split) for layout in task.layouts)
        assert not task.hub or split in task.hub.splits


@pytest.mark.parametrize("name", REAL)
def test_every_spelling_means_one_of_the_labels(name):
    head = TASKS[name].head
    if isinstance(head, Classification):
        assert set(TASKS[name].spelling.values()) <= set(head.labels)
        assert set(label_index(TASKS[name]).values()) == set(range(head.num_outputs))


def test_what_mnli_runs_evaluate_has_its_classes():
    for name in ("mnli-mm", "ax"):
        assert TASKS[name].train_with == "mnli"
        assert TASKS[name].head == TASKS["mnli"].head


def test_where_there_is_no_dev_split_papers_report_on_test():
    assert TASKS["imdb"].evaluated_on == "test"
    assert TASKS["ax"].evaluated_on == "test"
    assert TASKS["rte"].evaluated_on == "dev"
