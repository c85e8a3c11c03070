"""Time and memory of reading files of full size, generated here: SST-2's shape and SNLI's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MEASURE = """
import json, sys, time
from pathlib import Path
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source, load_split
start = time.perf_counter()
split = load_split(TASKS[sys.argv[1]], "train", Source("local", Path(sys.argv[2])))
split.fingerprint
seconds = time.perf_counter() - start
# the peak since this program began; getrusage would count the process that started it too
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([len(split), seconds, int(peak) * 1024]))
"""


def measure(task, folder, cache="off"):
    """(rows, seconds, bytes) of reading and hashing a training set in a process of its own."""
    command = [sys.executable, "-c", MEASURE, task, str(folder)]
    environment = {"PYTHONPATH": str(ROOT), "SMART_REPRO_CACHE": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")


@pytest.mark.slow
def test_sst2(tmp_path):
    (tmp_path / "SST-2").mkdir()
    rows = "".join(f"a review of about nine words , number {i} \t{i % 2}\n" for i in range(67_349))
    (tmp_path / "SST-2/train.tsv").write_text("sentence\tlabel\n" + rows)
    rows, seconds, _ = measure("sst2", tmp_path)
    assert rows == 67_349
    assert seconds <= 3


@pytest.mark.slow
def test_snli_and_its_second_start(tmp_path):
    (tmp_path / "SNLI").mkdir()
    labels = ("entailment", "neutral", "contradiction")
    parse = "( ( two words ) ( in brackets ) ) " * 12
    with (tmp_path / "SNLI/snli_1.0_train.jsonl").open("w") as file:
        for i in range(550_152):
            row = {
                "annotator_labels": [labels[i % 3]] * (5 if i % 10 == 0 else 1),
                "captionID": f"{i}.jpg#0",
                "gold_label": labels[i % 3] if i % 701 else "-",
                "pairID": f"{i}.jpg#0r1n",
                "sentence1": f"A premise of some fourteen words , as captions of pictures are , number {i} .",
                "sentence1_binary_parse": parse,
                "sentence1_parse": parse,
                "sentence2": f"A hypothesis of eight words , number {i} .",
                "sentence2_binary_parse": parse,
            }
            file.write(json.dumps(row) + "\n")
    rows, seconds, peak = measure("snli", tmp_path, tmp_path / "cache")
    assert rows == 550_152 - 785
    assert seconds <= 60
    assert peak <= 2 * 2**30
    again, cached, _ = measure("snli", tmp_path, tmp_path / "cache")
    assert again == rows
    assert cached <= seconds / 4  # 1 s and less on an idle machine
    print(f"first {seconds:.1f} s, {peak / 2**30:.2f} GiB; second {cached:.2f} s")
