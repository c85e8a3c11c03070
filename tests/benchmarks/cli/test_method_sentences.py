"""The sentences on methods that a report lists are those of the registry."""

from __future__ import annotations

import subprocess
import sys

from analysis.schema import Row
from benchmarks.cli.catalogue import listing, method_sentences
from smart_repro.card import card
from smart_repro.methods import COMBINERS

WHY = "Readings: the paper does not say whether the two passes share their masks"


def _of_registry() -> str:
    """Return what the registry says about SMART's dropout."""
    marked = "smoothness: ``dropout``: "
    (text,) = (text.removeprefix(marked) for text in card("smart").deviations if text.startswith(marked))
    return text.replace("``", "")


def row(name: str, **changes) -> Row:
    return Row(name, name, name, **changes)


def test_they_are_those_of_list_methods_and_name_the_readings_where_a_row_has_one():
    listed = {method["name"]: method["what"] for method in listing("methods")}
    sentences = method_sentences([row("smart", reading="shared"), row("sda"), row("vanilla", combine="vote")])
    masks = "Dropout masks of the two passes: shared / independent / off."
    assert sentences == {
        "smart": f"{listed['smart']} {masks} {WHY}; {_of_registry()}",
        "sda": listed["sda"],
        "vanilla": listed["vanilla"],
        "vote": COMBINERS["vote"].meaning,
    }
    assert method_sentences([row("smart")]) == {"smart": listed["smart"]}
    assert method_sentences([row("of-another-package")]) == {}


def test_every_method_and_combiner_has_one_sentence():
    for method in listing("methods"):
        assert method_sentences([row(method["name"])])[method["name"]].endswith(".")
    assert all(combiner.meaning.endswith(".") for combiner in COMBINERS.values())


def test_they_are_read_without_torch():
    code = (
        "import sys; from analysis.schema import Row; from benchmarks.cli.catalogue import method_sentences; "
        "assert method_sentences([Row('a', 'a', 'smart', 'shared')]); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_why_there_are_two_readings_is_said_once_from_the_registry() -> None:
    rows = [row("smart", reading="shared"), row("smart", reading="independent"), row("smoothness", reading="shared")]
    sentences = method_sentences(rows)
    why = f"{WHY}; the equation has one f on both sides"
    assert [why in sentences[name] for name in ("smart", "smoothness")] == [True, False]
    assert "`" not in sentences["smart"]
    assert why in method_sentences(rows[2:])["smoothness"]
