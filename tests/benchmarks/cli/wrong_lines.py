"""Command lines that cannot be carried out, made from valid ones: each breaks exactly one thing.

A line is a list of words, the files it needs, and a word its complaint must contain: what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

COMPARE = ("--tasks", "demo-rte", "--methods", "vanilla", "--seeds", "1", "--epochs", "1")
VALID: Mapping[str, tuple[str, ...]] = {
    "plan": ("plan", "compare", *COMPARE),
    "run": ("run", "compare", *COMPARE),
    "reproduce": ("reproduce", "smart-table3", "--tasks", "demo-rte", "--methods", "vanilla", "--seeds", "1"),
    "check": ("check", "compare", *COMPARE),
}
NOT_WHOLE = ("abc", "2.5", "nan", "inf", "", "1e3", "0x10", "9" * 25, "1,2")
NO_NUMBERS = ("abc", "nan", "inf", "-inf", "1e-5,5e-5", "(1,2)", "true", "'1'", "[1]", "9" * 400)
# Setting -> values that no run can have; each is typed as --set NAME=VALUE.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "learning_rate": (*NO_NUMBERS, "0", "-1"),
    "head_learning_rate": ("abc", "nan", "0", "-1"),
    "weight_decay": ("abc", "nan", "-0.1"),
    "warmup": ("abc", "nan", "-0.1", "1.1"),
    "clip": ("abc", "nan", "inf", "0", "-1"),
    "dropout": ("abc", "nan", "1", "-0.1"),
    "head_dropout": ("1", "x"),
    "holdout": ("abc", "0.9", "-0.1"),
    "late_noise": ("1.5", "nan"),
    "label_noise": ("1.5", "nan", "-0.1"),
    "holdout_rows": ("-1", "x", "1.5"),
    "smoothness_radii": ("0.1", "x", "(0,)"),
    "epochs": ("2.5", "0", "-1", "abc", "none", "1e3", "true", "9" * 30),
    "batch_size": ("0", "1.5", "x", "none"),
    "accumulation": ("0", "999", "x"),
    "max_steps": ("0", "1.5", "x"),
    "max_length": ("0", "3", "x", "1e9"),
    "layers": ("x", "0", "-1", "1.5", "99"),
    "threads": ("0", "x", "1e9"),
    "per_class": ("0", "x"),
    "evaluate_every": ("0", "x"),
    "seed_init": ("-1", "x", "1.5", "9" * 20),
    "optimizer": ("adamx", "3", "none"),
    "schedule": ("cosine", "3"),
    "head": ("max", "3"),
    "precision": ("fp16", "3"),
    "measure": ("3", "maybe"),
    "random_weights": ("3", "maybe"),
    "predict": ("dve", "3", "demo-rte:dve"),
    "head_dropouts": ("x", "3", "(('demo-rte',0.1),)"),
    "init_from": ("x", "3fa9"),
    "model": ("./gone", "no-such-model"),
}
# Method -> option=value pairs that it refuses.
METHOD_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "smart": (
        *(f"{name}={value}" for name in ("epsilon", "lambda_s", "mu", "eta") for value in ("nan", "inf", "x", "-1")),
        "lambda_s=1|3|5",
        "lambda_s=(1,3)",
        "lambda_s=none",
        "lambda_s=true",
        "lamda_s=1",
        "ascent_steps=1.5",
        "ascent_steps=0",
        "ascent_steps=" + "9" * 20,
        "dropout=3",
        "dropout=on",
        "site=sentence",
        "teacher=nobody",
        "beta=1",
        "beta=nan",
        "=3",
        "lambda_s=",
    ),
    "sda": ("K=0", "K=1.5", "K=some", "lambda_d=nan", "teacher_lag=2", "mean=median"),
    "sdv": ("K=all",),
    "pgd": ("K=0", "alpha=0", "epsilon=-1", "start=nan"),
    "r3f": ("noise=pink", "sigma=0"),
    "vanilla": ("label_smoothing=1", "label_smoothing=nan", "dropout=0.1"),
    "lora": ("rank=0", "scale=nan"),
    "freeze-lower": ("frozen=2",),
}


@dataclass(frozen=True)
class Line:
    """One wrong command line.

    Attributes:
        words: without the program's name.
        names: a text the complaint must contain: the option, name or file that is wrong.
        files: name -> content of what must lie in the folder.
    """

    words: tuple[str, ...]
    names: str
    files: Mapping[str, str] = field(default_factory=dict)


def replaced(words: tuple[str, ...], option: str, value: str) -> tuple[str, ...]:
    """Return the words with another value of an option, added where it is not given."""
    if option not in words:
        return (*words, option, value)
    place = words.index(option)
    return (*words[: place + 1], value, *words[place + 2 :])


def wrong_settings() -> Iterator[Line]:
    """Values no run can have, and settings that do not exist; the verbs take turns, since they share their options."""
    verbs = list(VALID)
    pairs = [(name, value) for name, values in SETTINGS.items() for value in values]
    for number, (name, value) in enumerate(pairs):
        words = VALID[verbs[number % len(verbs)]]
        if name in ("epochs",):
            place = words.index("--epochs") if "--epochs" in words else len(words)
            words = (*words[:place], *words[place + 2 :])  # else the two options contradict each other first
        yield Line((*words, "--set", f"{name}={value}"), name)
    for setting in ("batch_sise=3", "seed=3", "task=rte", "method=sda", "options=3", "parents=(1,)", "combine=vote"):
        yield Line((*VALID["plan"], "--set", setting), setting)
    for setting in ("batch_size", "=3", "", "batch_size 3"):
        yield Line((*VALID["plan"], "--set", setting), "NAME=VALUE")
    yield Line((*VALID["plan"], "--set", "epochs=2"), "twice")
    yield Line((*VALID["run"], "--set", "with_tasks=no-such-task"), "no-such-task")
    yield Line((*VALID["plan"], "--set", "with_tasks=demo-rte"), "stands twice")
    yield Line((*VALID["plan"], "--set", "clip=1", "--set", "clip=2"), "twice")
    yield Line((*VALID["plan"], "--set", "per_class=3", "--set", "max_train_samples=9"), "not both")


def wrong_methods() -> Iterator[Line]:
    """Methods and options that do not exist or cannot be."""
    for number, (method, pair) in enumerate(
        (method, pair) for method, pairs in METHOD_OPTIONS.items() for pair in pairs
    ):
        verb = ("plan", "run", "check")[number % 3]
        yield Line(replaced(VALID[verb], "--methods", f"{method}:{pair}"), pair.partition("=")[0])
    for text, complaint in (
        ("smrt", "did you mean 'smart'"),
        ("", "--methods"),
        (",", "--methods"),
        ("lambda_s=3", "--methods"),
        ("smart[wet]", "--methods"),
        ("smart:3", "--methods"),
        ("smart smart", "--methods"),
        ("vanilla,smrt", "did you mean 'smart'"),
    ):
        yield Line(replaced(VALID["run"], "--methods", text), complaint)
    yield Line(replaced(VALID["reproduce"], "--methods", "sda"), "has no row")


def wrong_numbers() -> Iterator[Line]:
    """Whole numbers and bounds of options with a flag of their own."""
    for option in ("--epochs", "--layers", "--max-train-samples", "--workers", "--checkpoint-steps"):
        for value in NOT_WHOLE:
            yield Line(replaced(VALID["run"], option, value), option)
    for option, value in (
        ("--epochs", "0"),
        ("--epochs", "-1"),
        ("--layers", "0"),
        ("--layers", "3"),
        ("--max-train-samples", "1"),
        ("--workers", "0"),
        ("--workers", "99999"),
        ("--checkpoint-steps", "0"),
        ("--checkpoint-minutes", "-1"),
        ("--checkpoint-minutes", "nan"),
        ("--checkpoint-minutes", "inf"),
        ("--checkpoint-minutes", "soon"),
    ):
        yield Line(replaced(VALID["run"], option, value), option)
    for seeds in ("0", "x", "-1", "1.5", "3-", "5-3", "9" * 20, "0-99999999999", "1,x", ",", "", "4294967296,", "nan"):
        yield Line(replaced(VALID["plan"], "--seeds", seeds), "--seeds")


def wrong_names() -> Iterator[Line]:
    """Names of things that do not exist, for every verb that takes one."""
    for verb in ("plan", "run", "reproduce", "check"):
        yield Line((verb, "smart-tabel1"), "did you mean 'smart-table1'")
        yield Line((verb, "smart-table1", "--profile", "dmo"), "did you mean 'demo'")
        yield Line((verb, "smart-table1", "--tasks", "rtee"), "rtee")
        yield Line((verb, "compare", "--tasks", "rtee", "--methods", "vanilla"), "did you mean 'rte'")
        yield Line((verb, "compare"), "--tasks")
        yield Line((verb, "compare", "--tasks", "demo-rte"), "--methods")
        yield Line((verb, "compare", *COMPARE, "--import", "no_such_module"), "no_such_module")
        yield Line(
            (verb, "compare", *COMPARE, "--import", "broken_plugin"), "broken_plugin", {"broken_plugin.py": "1/0"}
        )
        yield Line((verb, "compare", *COMPARE, "--model", "./gone"), "gone")
        yield Line((verb, "compare", *COMPARE, "--source", "lokal"), "local")
        yield Line((verb, "compare", *COMPARE, "--name", "../x"), "--name")
        yield Line((verb, "compare", *COMPARE, "--name", "smart-table1"), "--name")
    for name in (
        "claim:nope",
        "task:nope",
        "method:smrt",
        "experiment:nope",
        "model:nope",
        "profile:nope",
        "x:y",
        "nope",
    ):
        yield Line(("show", name), name.partition(":")[2][:3] if not name.startswith("x:") else "'x'")
    for words, complaint in (
        (("list", "method"), "did you mean 'methods'"),
        (("list", ""), "kind"),
        (("list", "claims", "--experiment", "nope"), "nope"),
        (("list", "tasks", "--experiment", "smart-table1"), "--experiment"),
        (("list", "claims", "--task", "coal"), "did you mean 'cola'"),
        (("list", "tasks", "--task", "cola"), "--task"),
        (("show", "smart-beats-bert-on-glue"), "did you mean 'smart-beats-bert-on-glue-shared'"),
        (("show", "smoth"), "did you mean 'smoothness'"),
        (("show", "run:3fa9"), "3fa9"),
        (("data", "rtee"), "did you mean 'rte'"),
        (("data", "rte", "--model", "./gone"), "gone"),
        (("report", "nope"), "nope"),
        (("status", "nope"), "nope"),
        (("status", "--results", "gone"), "gone"),
        (("export", "3fa9"), "3fa9"),
        (("submit", "superglue"), "superglue"),
        (("submit", "glue"), "smart-table2"),
        (("submit", "glue", "--seed", "x"), "--seed"),
        (("runs", "show", "3fa9"), "results"),
        (("runs", "compare", "3fa9", "71c0"), "results"),
        (("runs", "rerun", "3fa9"), "results"),
        (("runs", "remove", "3fa9", "--yes"), "results"),
        (("runs", "list"), "results"),
        (("runs", "list", "--only", "task"), "--only"),
        (("runs", "unpack", "gone.tar.gz"), "gone.tar.gz"),
        (("runs", "pack", "x.tar.gz"), "results"),
        (("runs", "publish", "/etc/passwd"), "results"),
    ):
        yield Line(words, complaint)


def wrong_shapes() -> Iterator[Line]:
    """Unknown verbs and options, missing values, too many words."""
    for words, complaint in (
        (("rnu",), "rnu"),
        (("runs", "lits"), "lits"),
        (("run",), "EXPERIMENT"),
        (("plan",), "EXPERIMENT"),
        (("list",), "KIND"),
        (("show",), "NAME"),
        (("export",), "KEY"),
        (("runs", "compare", "3fa9"), "OTHER"),
        (("run", "compare", "again", *COMPARE), "again"),
        (("list", "methods", "tasks"), "tasks"),
    ):
        yield Line(words, complaint)
    for verb, words in VALID.items():
        for option in ("--task", "--no-such", "--epoch", "-x"):
            yield Line((*words, option, "1"), option)
        for option in ("--tasks", "--seeds", "--set", "--model", "--import", "--data-dir"):
            yield Line((*words[:2], option), option)
        if verb != "check":
            yield Line((*words, "--workers"), "--workers")
    yield Line((*VALID["plan"], "--executor", "local"), "--executor")
    yield Line((*VALID["check"], "--tune"), "--tune")
    yield Line(("status", "--quiet"), "--quiet")


def contradictions() -> Iterator[Line]:
    """Options that cannot be meant together."""
    run = VALID["run"]
    for words, complaint in (
        (("run", "smart-table1", "--data-dir", "."), "contradicts the profile demo"),
        (("run", "compare", *COMPARE, "--profile", "demo"), "takes no --profile"),
        (("run", "smart-table1", "--name", "mine"), "--name"),
        (("run", "smart", "--name", "mine"), "--name"),
        ((*run, "--tune", "--tuned"), "--tune"),
        ((*run, "--tuned"), "tun"),
        ((*run, "--address", "auto"), "--address"),
        ((*run, "--executor", "sge"), "--executor"),
        ((*run, "--partition", "gpu"), "--partition is for --executor slurm"),
        ((*run, "--executor", "slurm", "--slurm", "account"), "--slurm account: expected NAME=VALUE"),
        ((*run, "--track", "comet"), "--track"),
        ((*run, "--source", "hub", "--data-dir", "."), "contradicts"),
        (("plan", "compare", "--tasks", "rte", "--methods", "vanilla", "--source", "generated"), "rte"),
        (("plan", "compare", "--tasks", "rte", "--methods", "vanilla", "--source", "local"), "--source local"),
        (("plan", "compare", "--tasks", "rte", "--methods", "vanilla", "--data-dir", "gone"), "gone"),
        (("plan", "compare", "--tasks", "rte", "--methods", "vanilla", "--data-file", "rte=x"), "--data-file"),
        (("plan", "compare", "--tasks", "rte", "--methods", "vanilla", "--data-file", "rte:dve=x"), "dve"),
        (("plan", "compare", "--tasks", "rte", "--methods", "vanilla", "--data-file", "rtee:dev=x"), "rtee"),
        (("check", "smart-table1"), "--baseline"),
        (("check", "--baseline", "gone.json"), "gone.json"),
        (("check", "--format", "xml"), "--format"),
        (("check", "--baseline", "bad.json"), "bad.json"),
    ):
        yield Line(words, complaint, {"bad.json": "{"} if "bad.json" in words else {})
    yield Line((*run, "--results", "file"), "file", {"file": ""})
    yield Line(("runs", "unpack", "file"), "file", {"file": "no archive"})
    yield Line(("--config", "gone.toml", "list", "tasks"), "gone.toml")


def wrong_files() -> Iterator[Line]:
    """List files of defaults that are wrong, or set what no option accepts."""
    for content, complaint in (
        ("results = ", "smart-repro.toml"),
        ("zzz = 1", "'zzz'"),
        ('methds = "vanilla"', "did you mean 'methods'"),
        ('workers = "two"', "workers"),
        ("workers = 0", "workers"),
        ("epochs = 2.5", "epochs"),
        ("epochs = 0", "epochs"),
        ("seeds = 0", "--seeds"),
        ("quiet = 3", "quiet"),
        ("layers = [1]", "layers"),
        ('results = ["a", "b"]', "results"),
        ("[set]\nbatch_sise = 3", "batch_sise"),
        ("[set]\nclip = -1", "clip"),
        ("[set]\nlearning_rate = nan", "learning_rate"),
        ("[run]\nepochs = 3", "'run'"),
        ('import = ["no_such_module"]', "no_such_module"),
        ('source = "lokal"', "local"),
        ('executor = "sge"', "executor"),
        ('methods = "smrt"', "smart"),
        ("checkpoint_minutes = nan", "checkpoint"),
    ):
        words = VALID["run"]
        for key, option in (("epochs", "--epochs"), ("seeds", "--seeds"), ("methods", "--methods")):
            if content.startswith(key):
                place = words.index(option)
                words = (*words[:place], *words[place + 2 :])
        yield Line(words, complaint, {"smart-repro.toml": content + "\n"})


def lines() -> list[Line]:
    """Return every wrong command line, each once."""
    parts = (wrong_settings, wrong_methods, wrong_numbers, wrong_names, wrong_shapes, contradictions, wrong_files)
    made = [line for part in parts for line in part()]
    return list({(line.words, tuple(line.files.items())): line for line in made}.values())
