"""Damage results folders in every way we could think of, and count what comes of it: the table of docs/integrity.md.

``python tests/benchmarks/damage.py [--share 0.02] [--out docs/integrity.md]``. Share 1 is the published size: an
hour beside other work. Every part is a process of its own; the demonstration's data and model are used.

An outcome is *wrong* if a number, a prediction or a file differs and nothing was said; *internal* if a command ends
with a traceback; a *hang* if it takes more than a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

GRID = ["compare", "--tasks", "demo-sst2", "--methods", "vanilla,smart", "--seeds", "2", "--set", "max_steps=6"]
LIMIT = 60  # seconds after which a command counts as hanging
FULL = {
    "archives": 1000,
    "checkpoints": 120,
    "folders": 1000,
    "corruptions": 380,
    "kills": 200,
    "disks": 50,
}
WORDS = {
    "archives": "bits flipped in packed archives, then `runs unpack`",
    "checkpoints": "bits flipped in checkpoints, then the run is gone on with",
    "folders": "bits flipped in files of run folders, then read by the report's reader",
    "corruptions": "commands on a results folder with one corrupted file",
    "kills": "kills (SIGKILL) before an operation on files, then the run is gone on with",
    "disks": "moments at which the disk becomes full, then the run is gone on with when there is room",
}


# --- a world ---


def make_world(folder: Path) -> Path:
    """Four finished runs of a grid with report, a failed run, and an interrupted one with lease and checkpoint."""
    from benchmarks.engine.texts import keep_texts  # noqa: F401  (loads what the commands need before time is taken)

    results = folder / "results"
    code, text = command("run", *GRID, "--workers", "1", "--quiet", "--results", str(results), limit=1800)
    assert code == 0, text
    assert command("report", "compare", "--results", str(results), limit=1800)[0] == 0
    store, job = store_of(results), one_job(seed=7)
    outcome = execute(job, store, should_stop=after(3), checkpoint_steps=1)
    assert outcome.state == "interrupted", outcome
    failed = one_job(seed=8)
    lease = store.take(failed.key)
    assert lease is not None
    store.attempt(lease)
    store.fail(lease, "non-finite", "the loss was NaN", task="demo-sst2")
    return results


def one_job(seed: int) -> Any:
    from benchmarks.spec import RunSpec
    from benchmarks.tasks.sources import Source
    from benchmarks.training.job import make_job

    spec = RunSpec(
        task="demo-sst2",
        method="smart",
        seed=seed,
        max_train_samples=64,
        max_steps=6,
        epochs=2,
        holdout=0.25,
        predict=("holdout",),
    )
    return make_job(spec, Source("generated"))


def store_of(results: Path) -> Any:
    from benchmarks.store.store import Store

    store = Store(results)
    store.prepare()
    return store


def execute(job: Any, store: Any, **options: Any) -> Any:
    from benchmarks.training.execute import execute as work

    return work(job, store, **options)


def after(updates: int) -> Callable[[], bool]:
    """Return a stop callback that becomes true after so many updates."""
    asked = [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] >= updates

    return stop


def command(*words: str, limit: int = LIMIT) -> tuple[int, str]:
    """Carry out a command line in this process; its exit code (-1: it hung) and what it printed.

    Args:
        words: of the command line.
        limit: seconds after which it counts as hanging.
    """
    from benchmarks.cli.app import run_command

    printed = io.StringIO()

    def ring(_number: int, _frame: Any) -> None:
        raise TimeoutError("hang")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(limit)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = run_command(list(words))
    except TimeoutError:
        code = -1
    finally:
        signal.alarm(0)
    return (-1 if "TimeoutError: hang" in printed.getvalue() else code), printed.getvalue()


def flipped(content: bytes, rng: random.Random) -> bytes:
    changed, number = bytearray(content), rng.randrange(8 * len(content))
    changed[number // 8] ^= 1 << number % 8
    return bytes(changed)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def recorded(folder: Path) -> dict[str, bytes]:
    """Predictions, scores and updates of runs; without times and notes of going on."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            found[str(path)] = path.read_bytes()
        if path.name == "history.jsonl":
            lines = [
                line for line in path.read_text().splitlines() if '"resume"' not in line and '"restart"' not in line
            ]
            found[str(path)] = "\n".join(lines).encode()
        if path.name == "result.json":
            found[str(path)] = json.dumps(json.loads(path.read_text())["scores"]).encode()
    return {name.replace(str(folder), ""): content for name, content in found.items()}


# --- flipped bits ---


def archives(world: Path, folder: Path, count: int, rng: random.Random) -> Iterator[str]:
    from benchmarks.errors import UsageError
    from benchmarks.sharing.archive import pack, unpack
    from benchmarks.store.store import Store

    store, archive = Store(world), folder / "runs.tar.gz"
    pack(store, archive, store.done_keys(), ["compare"])
    packed, whole = archive.read_bytes(), {**contents(store.runs), **contents(world / "experiments")}
    for number in range(count):
        archive.write_bytes(flipped(packed, rng))
        target = Store(folder / f"merged-{number}")
        try:
            unpack(target, archive)
        except UsageError:
            yield "refused" if not contents(target.root) else "wrong"
        except Exception:
            yield "internal"
        else:
            merged = {**contents(target.runs), **contents(target.root / "experiments")}
            yield "same content" if merged == whole else "wrong"
        shutil.rmtree(target.root, ignore_errors=True)


def checkpoints(world: Path, folder: Path, count: int, rng: random.Random) -> Iterator[str]:
    job = one_job(seed=7)
    whole = store_of(folder / "whole")
    assert execute(job, whole).state == "done"
    expected = recorded(whole.runs)
    for number in range(count):
        store = store_of(folder / f"copy-{number}")
        shutil.copytree(world / "inflight" / job.key, store.inflight / job.key)
        (path,) = (store.inflight / job.key).glob("attempt-*/checkpoint.pt")
        path.write_bytes(flipped(path.read_bytes(), rng))
        try:
            outcome = execute(job, store)
        except Exception:
            yield "internal"
            continue
        history = (store.runs / job.key / "history.jsonl").read_text() if outcome.state == "done" else ""
        right = outcome.state == "done" and recorded(store.runs) == expected
        yield ("started anew" if '"restart"' in history else "gone on with") if right else "wrong"
        shutil.rmtree(store.root)


def folders(world: Path, folder: Path, count: int, rng: random.Random) -> Iterator[str]:
    from analysis.integrity import content_digest
    from analysis.load import load
    from analysis.records import ResultsError
    from analysis.results import Results

    files = sorted(path for path in (world / "runs").rglob("*") if path.is_file())
    frame = load(world)
    digests = {path: content_digest(path) for path in files}
    for _ in range(count):
        path = rng.choice(files)
        before = path.read_bytes()
        path.write_bytes(flipped(before, rng))
        try:
            opened = Results(world)
            damage = opened.leave_out_damaged(opened.run_keys())
            if damage:
                key = path.relative_to(world / "runs").parts[0]
                yield "found" if list(damage) == [key] else "wrong"
            else:
                same = content_digest(path) == digests[path] and load(world).equals(frame)
                yield "same content" if same else "wrong"
        except ResultsError:
            yield "wrong"
        except Exception:
            yield "internal"
        finally:
            path.write_bytes(before)


# --- corrupted files and commands ---


def corruptions(world: Path, folder: Path, count: int, rng: random.Random) -> Iterator[str]:
    archive, copy = folder / "whole.tar.gz", folder / "copy"
    assert command("runs", "pack", str(archive), "--results", str(world))[0] == 0
    expected = scores_of(world)
    keys = sorted(path.name for path in (world / "runs").iterdir())
    files = sorted(
        str(path.relative_to(world)) for path in world.rglob("*") if path.is_file() and "reports" not in path.parts
    )
    kinds = sorted({kind_of(file) for file in files})
    for number in range(count):
        kind = kinds[number % len(kinds)]
        file = rng.choice([each for each in files if kind_of(each) == kind])
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(world, copy)
        corrupt(copy / file, rng, copy / rng.choice([each for each in files if kind_of(each) == kind]))
        for words in commands(copy, folder, archive, keys, rng, number):
            code, text = command(*words)
            yield judged(words, code, text, copy, expected)


def kind_of(file: str) -> str:
    """Return the content of a file that is equal for the same file of different runs."""
    place = Path(file)
    name = "lease" if place.name.startswith("lease") else place.name
    return f"{place.parts[0]}/{place.suffix if place.suffix == '.parquet' else name}"


def corrupt(path: Path, rng: random.Random, other: Path) -> None:
    """Damage one file in one of many ways."""
    content = path.read_bytes()
    ways: list[Callable[[], bytes | None]] = [
        lambda: b"",
        lambda: content[: len(content) // 2],
        lambda: flipped(content, rng),
        lambda: flipped(content, rng),
        lambda: rng.randbytes(len(content) or 1),
        lambda: rng.choice([b"[]", b"{}", b"null", b"7", b'"text"', b"[" * 100_000, b"\xff\xfe", b'{"schema": 99}']),
        lambda: retyped(content, rng),
        lambda: retyped(content, rng),
        lambda: other.read_bytes(),
        lambda: None,
    ]
    changed = rng.choice(ways)()
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)
    elif rng.random() < 0.5:
        path.mkdir()


def retyped(content: bytes, rng: random.Random) -> bytes:
    """JSON in which one entry has a value of another kind; other content loses its middle."""
    try:
        value = json.loads(content)
    except ValueError:
        return content[: len(content) // 3] + content[2 * len(content) // 3 :]
    places = list(entries(value))
    if not places:
        return b"[1]"
    holder, name = rng.choice(places)
    holder[name] = rng.choice([None, -1, 2**70, "x", [], {}, [1], {"a": 1}, True, 0.5, "\x1b[2J", "../../x"])
    return json.dumps(value).encode()


def entries(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for name, item in list(value.items()) if isinstance(value, dict) else list(enumerate(value)):
            yield value, name
            yield from entries(item)


def commands(
    copy: Path, folder: Path, archive: Path, keys: list[str], rng: random.Random, number: int
) -> Iterator[list[str]]:
    results, key = ["--results", str(copy)], rng.choice(keys)
    for name in ("packed.tar.gz", "published"):
        target = folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    yield ["status", *results]
    yield ["status", "compare", "--json", *results]
    yield ["runs", "list", *results]
    yield ["runs", "list", "--json", *results]
    yield ["runs", "show", key, *results]
    yield ["show", key, *results]
    yield ["runs", "verify", *results]
    yield ["runs", "verify", "--json", *results]
    yield ["runs", "compare", *rng.sample(keys, 2), *results]
    yield ["runs", "pack", str(folder / "packed.tar.gz"), *results]
    if number % 4 == 0:  # these take longest
        yield ["plan", *GRID, *results]
        yield ["report", "compare", "--claims", *results]
        yield ["runs", "publish", str(folder / "published"), "compare", *results]
    if number % 40 == 0:
        yield ["report", "compare", *results]
        yield ["export", key, "--to", str(folder / "model"), *results]
    yield ["runs", "unpack", str(archive), *results]
    yield ["runs", "seal", *results]
    yield ["runs", "remove", key, "--yes", *results]


def judged(words: list[str], code: int, text: str, copy: Path, expected: dict[str, Any]) -> str:
    if code == -1:
        return "hang"
    if code == 70 or "Traceback" in text:
        sys.stderr.write(f"INTERNAL {' '.join(words)}\n{text}\n")
        return "internal"
    if any(character in text for character in "\x1b\r\x07"):
        return "wrong"
    if words[:2] == ["runs", "list"] and "--json" in words:
        rows = json.loads(text[: text.rindex("]") + 1])
        changed = [row for row in rows if row["state"] == "done" and expected[row["key"]] != row["score"]]
        if changed:
            return "wrong"
    if words[0] == "report" and "--claims" not in words and code == 0:
        table = (copy / "reports" / "compare" / "table.csv").read_text()
        if table != expected["table"]:
            return "wrong"
    must = {"status": (0, 2), "remove": (0, 2), "list": (0,)}
    verb = words[1] if words[0] == "runs" else words[0]
    if verb in must and code not in must[verb]:
        return "wrong"
    return {0: "done", 1: "named, the rest done", 2: "refused in one line", 3: "named, the rest done"}.get(
        code, "wrong"
    )


def scores_of(world: Path) -> dict[str, Any]:
    _, text = command("runs", "list", "--json", "--results", str(world))
    rows = json.loads(text[: text.rindex("]") + 1])
    table = (world / "reports" / "compare" / "table.csv").read_text()
    return {**{row["key"]: row["score"] for row in rows if row["state"] == "done"}, "table": table}


# --- kills and full disks, in forked children ---

OPERATIONS = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir"}


def child(work: Callable[[], int]) -> int:
    """Do something in a process of its own; its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def watched(place: Path, act: Callable[[int, str, Any], None]) -> None:
    """Call ``act(number, event, path)`` before each operation on files below a folder."""
    number = [0]

    def hook(event: str, arguments: Any) -> None:
        if event in OPERATIONS and str(arguments[0]).startswith(str(place)):
            number[0] += 1
            act(number[0], event, arguments)

    sys.addaudithook(hook)


def attempt(job: Any, results: Path, act: Callable[[int, str, Any], None] | None = None) -> int:
    """One attempt at a run, with a checkpoint after every update: 0 done, 1 failed in one line, 2 failed otherwise."""
    from benchmarks.store.store import Store

    if act is not None:
        watched(results, act)
    store = Store(results)
    outcome = execute(job, store, checkpoint_steps=1)
    if outcome.state in ("done", "skipped"):
        return 0
    return 1 if "disk is full" in outcome.message and "\n" not in outcome.message else 2


def finished(job: Any, results: Path, expected: dict[str, bytes]) -> bool:
    """Whether an undisturbed attempt ends with the expected bytes, verified, and with nothing left lying about."""
    from analysis.integrity import VERIFIED, inspect
    from benchmarks.store.store import Store

    store = Store(results)
    failure = store.failure(job.key)
    job = replace(job, retry=failure is not None and failure["kind"] == "crash")  # as the next `run` does
    if (code := child(partial(attempt, job, results))) != 0:
        print(f"the undisturbed attempt ended with {code}", file=sys.stderr)
        return False
    store.sweep()
    left = list(results.rglob(".*")) + list(store.inflight.iterdir())
    found, finding = recorded(store.runs), inspect(store.runs / job.key)
    if found == expected and finding.state == VERIFIED and not left:
        return True
    print([name for name in expected if found.get(name) != expected[name]], finding, left, file=sys.stderr)
    return False


def undisturbed(job: Any, folder: Path) -> tuple[dict[str, bytes], int]:
    """Return the record of a run, and the number of its file operations."""
    results, count = folder / "whole", folder / "count"
    store_of(results)

    def act(number: int, _event: str, _arguments: Any) -> None:
        os.pwrite(descriptor, f"{number:9d}".encode(), 0)

    descriptor = os.open(count, os.O_RDWR | os.O_CREAT)
    assert child(partial(attempt, job, results, act)) == 0
    return recorded(results / "runs"), int(count.read_text())


def kills(world: Path, folder: Path, count: int, rng: random.Random) -> Iterator[str]:
    job = prepared_job()
    expected, operations = undisturbed(job, folder)
    for number in range(count):
        results = folder / f"killed-{number}"
        store_of(results)
        moment = 1 + number * operations // count if rng.random() < 0.8 else rng.randint(1, operations)

        def die(now: int, _event: str, _arguments: Any, moment: int = moment) -> None:
            if now == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        code = child(partial(attempt, job, results, die))
        right = code in (0, -signal.SIGKILL) and finished(job, results, expected)
        yield "the same bytes" if right else "wrong"
        shutil.rmtree(results)


def disks(world: Path, folder: Path, count: int, rng: random.Random) -> Iterator[str]:
    """Half of the moments: every operation that writes fails from one on. The others: a small file system."""
    job = prepared_job()
    expected, operations = undisturbed(job, folder)
    for number in range(count // 2):
        results = folder / f"full-{number}"
        store_of(results)
        moment = 1 + number * operations // (count // 2)

        def refuse(now: int, event: str, arguments: Any, moment: int = moment) -> None:
            writes = event != "open" or (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR))
            if now >= moment and writes and event not in ("os.remove", "os.rmdir"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

        code = child(partial(attempt, job, results, refuse))
        yield from ended(code, job, results, expected)
        shutil.rmtree(results)
    yield from small_disks(job, folder, count - count // 2, expected)


def small_disks(job: Any, folder: Path, count: int, expected: dict[str, bytes]) -> Iterator[str]:
    needed = 24 * 2**20  # bytes: a run with its checkpoint and the next one
    size = 2 * needed  # going on from a checkpoint takes a third one
    disk = folder / "disk"
    disk.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True).returncode
        == 0
    )
    try:
        for number in range(count):
            results, filler = disk / f"small-{number}", disk / "filler"
            store_of(results)
            room = 4096 * number if number < count // 2 else (number - count // 2) * needed // count
            code = child(partial(limited, job, results, filler, room, mounted))
            filler.unlink(missing_ok=True)
            yield from ended(code, job, results, expected)
            shutil.rmtree(results)
    finally:
        if mounted:
            subprocess.run(["umount", disk], check=True)


def limited(job: Any, results: Path, filler: Path, room: int, mounted: bool) -> int:
    """Make an attempt with so many bytes left on the disk, or in each file where no small disk can be mounted."""
    if not mounted:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        return attempt(job, results)
    free = shutil.disk_usage(results).free
    filler.write_bytes(b"\0" * max(0, free - room))
    return attempt(job, results)


def ended(code: int, job: Any, results: Path, expected: dict[str, bytes]) -> Iterator[str]:
    leftovers = [path for path in results.rglob("*") if path.name.startswith(".") or path.suffix == ".partial"]
    if code not in (0, 1):
        yield "internal"
    elif leftovers or not finished(job, results, expected):
        yield "wrong"
    else:
        yield "failed in one line, then the same bytes" if code else "there was room enough"


def prepared_job() -> Any:
    """Return the job with all that children need loaded and nothing trained: torch's threads do not survive a fork."""
    import torch
    import transformers

    import benchmarks.training.execute  # noqa: F401

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return one_job(seed=7)


# --- the table ---

PARTS: dict[str, Callable[[Path, Path, int, random.Random], Iterator[str]]] = {
    "kills": kills,
    "disks": disks,
    "archives": archives,
    "folders": folders,
    "checkpoints": checkpoints,
    "corruptions": corruptions,
}


def part(name: str, world: Path, count: int) -> Counter[str]:
    """Do one part here."""
    with tempfile.TemporaryDirectory(prefix=f"damage-{name}-") as folder:
        return Counter(PARTS[name](world, Path(folder), count, random.Random(name)))


def measure(share: float) -> dict[str, Counter[str]]:
    """Do every part in a process of its own."""
    counted: dict[str, Counter[str]] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="damage-world-") as folder:
        world = Path(folder)
        for name in ("world", *PARTS):
            count = 0 if name == "world" else max(2, round(share * FULL[name]))
            words = [sys.executable, __file__, "--part", name, "--world", str(world), "--count", str(count)]
            began = time.monotonic()
            done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            print(f"{name}: {time.monotonic() - began:.0f} s {done.stdout.strip()}", file=sys.stderr, flush=True)
            if name != "world":
                counted[name] = Counter(json.loads(done.stdout.splitlines()[-1]))
    return counted


def page(counted: dict[str, Counter[str]]) -> str:
    """Return the table as Markdown."""
    bad = ("wrong", "internal", "hang")
    lines = [
        "| what was done | how often | outcomes | wrong results | internal errors | hangs |",
        "|---|---|---|---|---|---|",
    ]
    for name, counts in counted.items():
        good = ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items()) if what not in bad)
        cells = [WORDS[name], f"{counts.total():,}", good, *(str(counts[each]) for each in bad)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the published size")
    parser.add_argument("--out", type=Path, help="the page whose table is replaced")
    parser.add_argument("--part", choices=["world", *PARTS], help=argparse.SUPPRESS)
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "world":
        make_world(options.world)
    elif options.part:
        print(json.dumps(part(options.part, options.world / "results", options.count)))
    else:
        table = page(measure(options.share))
        print(table)
        if options.out:
            text = options.out.read_text()
            head, _, rest = text.partition("<!-- table -->\n")
            _, _, tail = rest.partition("<!-- end -->\n")
            options.out.write_text(f"{head}<!-- table -->\n{table}<!-- end -->\n{tail}")


if __name__ == "__main__":
    main()
