"""Published runs: compact, without texts or paths, and everything a report says recomputes from them."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored_runs import reseal

from analysis.curves import binned, logged, read_logs
from analysis.results import Log, Results
from benchmarks.errors import UsageError
from benchmarks.sharing import publish
from benchmarks.store.store import Store
from tests.analysis.world import Arm, Exam, World
from tests.benchmarks.cli.test_cli import Shell, grid, shell

__all__ = ["shell"]  # a fixture


@pytest.fixture(scope="module")
def trained(glue: Path, little_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four finished runs of RTE with their manifest."""
    results = tmp_path_factory.mktemp("trained") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr("sys.argv", ["smart-repro", "run", *map(str, grid(glue, little_bert, results, "rte"))])
        from benchmarks.cli import app as cli

        assert cli.run_command(sys.argv[1:]) == 0
    return results


def files(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob(pattern) if path.is_file()}


def test_the_table_and_the_predictions_are_the_same(shell: Shell, trained: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    code, out, err = shell("runs", "publish", published, "compare", "--results", trained)
    assert code == 0, err
    assert out.startswith(f"4 runs in {published}, 4 of them new")
    assert not (published / "runs").exists()
    assert len(list(published.glob("experiments/compare/part-*.parquet"))) == 1
    answers = ["id", "epoch", "label", "prediction"]
    for key in Store(trained).done_keys():
        frames = [Results(folder).predictions(key, "rte", "dev", "all")[answers] for folder in (trained, published)]
        pd.testing.assert_frame_equal(*frames)
    for results in (trained, published):
        assert shell("report", "compare", "--results", results)[0] == 0
    tables = [(results / "reports" / "compare" / "table.csv").read_text() for results in (trained, published)]
    assert tables[0] == tables[1]
    code, out, _ = shell("runs", "publish", published, "--results", trained)
    assert out.startswith(f"4 runs in {published}, 0 of them new")


def test_no_text_of_a_data_set_and_no_path_is_in_it(trained: Path, glue: Path, tmp_path: Path) -> None:
    publish.publish(Store(trained), ["compare"], tmp_path / "published")
    texts = [line.split("\t")[1] for line in (glue / "RTE" / "dev.tsv").read_text().splitlines()[1:]]
    content = files(tmp_path / "published")
    unpacked = Store(tmp_path / "published")
    content |= {
        f"{key}/{name}": data for key in unpacked.done_keys() for name, data in files(unpacked.folder(key)).items()
    }
    for name, written in content.items():
        if name.endswith(".parquet"):
            written = pd.read_parquet(io.BytesIO(written)).to_csv().encode()
        assert str(glue).encode() not in written, name
        assert str(trained).encode() not in written, name
        assert not [text for text in texts if text.encode() in written], name
    assert "RTE:" in content["NOTICE.md"].decode()
    (manifest,) = (each for name, each in content.items() if name.startswith("experiments") and name.endswith("json"))
    assert "--data-dir path/to/data" in json.loads(manifest)["commands"]["run"]
    spec = next(json.loads(each) for name, each in content.items() if name.endswith("spec.json"))
    assert spec["data"]["sources"] == ["RTE/dev.tsv", "RTE/train.tsv"]


def test_a_published_run_is_done_again(shell: Shell, trained: Path, glue: Path, tmp_path: Path) -> None:
    publish.publish(Store(trained), ["compare"], tmp_path)
    key = min(Store(tmp_path).done_keys())
    code, out, err = shell("runs", "rerun", key, "--results", tmp_path, "--data-dir", glue)
    assert (code, out) == (0, f"{key} is reproduced, in the form in which it is published\n"), err


def test_curves_of_a_published_run_are_those_of_the_run(tmp_path: Path) -> None:
    world = World(
        tmp_path / "here",
        [Arm("vanilla"), Arm("smart", parts=("task", "smoothness"))],
        [Exam("rte")],
        seeds=(0,),
        steps=231,
    )
    manifest = Results.open(world.write()).manifest("compare")
    for key in manifest.all_keys():
        path = world.root / "runs" / key / "history.jsonl"
        whole, kept = Results.open(world.root).log(key), list(publish.thinned(path.read_text().splitlines()))
        assert len(kept) == 58 + 3  # ceil(231 / 4) points, three epochs
        path.write_text("".join(f"{line}\n" for line in kept))
        thin = Results.open(world.root).log(key)
        assert thin.epochs == whole.epochs
        for part in ("loss", "task", "smoothness"):
            assert list(binned(thin, part).values()) == pytest.approx(list(binned(whole, part).values()), rel=1e-6)
    drawn = logged(read_logs(Results.open(world.root), manifest), manifest, manifest.columns[0])
    assert drawn["step"].max() <= 232


def test_a_published_run_has_diverged_if_the_run_has(trained: Path, tmp_path: Path) -> None:
    """Sixty points can be too few to tell: of this loss they tell otherwise than its 400 updates."""
    store = Store(tmp_path / "results")
    shutil.copytree(trained, store.root)
    key = min(store.done_keys())
    path = store.folder(key) / "history.jsonl"
    noise = np.random.default_rng(0).normal(0.7, 0.15, (200, 400))
    for losses in noise:
        rows = [{"step": step, "loss": loss, "task": loss} for step, loss in enumerate(losses, start=1)]
        points = [json.loads(line) for line in publish.thinned(map(json.dumps, rows))]
        told = Log(rows, []).has_diverged
        if told != Log(points, []).has_diverged:
            break
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    reseal(path.parent)
    publish.compact_copy(store, key, tmp_path / "copy" / "runs" / key)
    log = read_logs(Results.open(tmp_path / "copy"), Results.open(store.root).manifest("compare"))[key]
    assert (len(log.steps), log.has_diverged) == (len(points), told)
    assert Log(log.steps, []).has_diverged != told


def test_a_point_keeps_the_largest_perturbation_and_says_how_many_updates_it_stands_for() -> None:
    rows = [{"step": s, "loss": float(s), "max_abs_delta": 1e-5 * (s % 3)} for s in range(1, 121)]
    rows.insert(60, {"event": "resume", "step": 60})
    kept = [json.loads(line) for line in publish.thinned(map(json.dumps, rows))]
    assert kept[0] == {"step": 2, "updates": 2, "loss": 1.5, "max_abs_delta": 2e-5}
    assert [row for row in kept if "event" in row] == [{"event": "resume", "step": 60}]
    assert isinstance(Log(kept, []), Log)


def test_votes_of_a_hundred_annotators_are_refused(trained: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    shutil.copytree(trained, store.root)
    path = sorted(store.runs.rglob("*.parquet"))[0]
    frame = pd.read_parquet(path)
    frame.assign(votes_0=60, votes_1=40).to_parquet(path)
    reseal(path.parents[1])
    with pytest.raises(UsageError, match=r"votes of more than 5 annotators \(ChaosNLI\?\)"):
        publish.publish(store, ["compare"], tmp_path / "published")
    assert not Store(tmp_path / "published").done_keys()
    frame.assign(votes_0=3, votes_1=2).to_parquet(path)
    reseal(path.parents[1])
    assert publish.publish(store, ["compare"], tmp_path / "published").runs == 4


def test_a_results_folder_is_not_published_into_itself(trained: Path) -> None:
    with pytest.raises(UsageError, match="is the results folder itself"):
        publish.publish(Store(trained), ["compare"], trained)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("smart-repro run x --data-dir /home/me/data --seeds 2", "smart-repro run x --data-dir path/to/data --seeds 2"),
        ("smart-repro run x --results /tmp/r", "smart-repro run x"),
        ("smart-repro run x --methods 'smart[shared]'", "smart-repro run x --methods 'smart[shared]'"),
    ],
)
def test_commands_lose_the_paths_of_their_machine(command: str, expected: str) -> None:
    assert publish.portable(command) == expected


def test_a_report_of_all_covers_the_published_runs_in_the_folder(shell: Shell, trained: Path, tmp_path: Path) -> None:
    publish.publish(Store(trained), ["compare"], tmp_path / "published")
    code, out, err = shell("report", "--claims", "--results", tmp_path)
    assert code == 0, err
    assert re.match(r"Comparison: .* \(0 claims\)", out)
    assert shell("report", "compare", "--claims", "--results", tmp_path)[1] == out
