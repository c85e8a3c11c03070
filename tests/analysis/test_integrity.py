"""Keys recompute from what a run stores, for every published run; a spec that was edited or exchanged is found."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from analysis.integrity import VERIFIED, identity_of, inspect, key_of, numerics_of, rebuilt, verify_key
from analysis.records import ResultsError
from analysis.results import Results

PUBLISHED = Results(Path(__file__).resolve().parents[2] / "results" / "published")
KEYS = PUBLISHED.run_keys()


def stored(key: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PUBLISHED.folder(key) / "spec.json").read_text())
    return content


OF_THE_PILOT = [key for key in KEYS if numerics_of(stored(key)) == 1]


def sealed(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the run as a version that stores identities writes it."""
    content = {**content, **changes}
    content["identity"] = rebuilt(content)
    return {**content, "key": key_of(content["identity"])}


def test_every_published_run_has_the_key_of_what_it_stores() -> None:
    for key in KEYS:
        content = stored(key)
        assert key_of(identity_of(content)) == key
        verify_key(content, key)


def test_the_runs_of_the_pilot_store_no_identity_and_later_ones_do() -> None:
    assert len(OF_THE_PILOT) == 394
    assert all("identity" not in stored(key) for key in OF_THE_PILOT)
    assert all(stored(key)["identity"] == identity_of(stored(key)) for key in set(KEYS) - set(OF_THE_PILOT))


def test_a_key_is_the_sha256_of_the_identity_as_plain_json_tools_write_it() -> None:
    text = '{"data":{"rte.dev":"b"},"schema":1,"spec":{"holdout":0,"task":"rte"}}'
    identity = {"schema": 1, "spec": {"task": "rte", "holdout": 0}, "data": {"rte.dev": "b"}}
    assert key_of(identity) == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert key_of(json.loads(text)) == key_of(identity)
    assert key_of(json.loads(text.replace(":0", ":0.0"))) != key_of(identity)


def test_a_stored_identity_verifies_and_numerics_above_1_is_part_of_it() -> None:
    content = sealed(stored(OF_THE_PILOT[0]), numerics=1)
    assert content["key"] == OF_THE_PILOT[0]
    verify_key(content, OF_THE_PILOT[0])
    later = sealed(content, numerics=2)
    assert later["key"] != OF_THE_PILOT[0]
    assert (numerics_of(stored(OF_THE_PILOT[0])), numerics_of(later)) == (1, 2)
    verify_key(later, later["key"])


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"numerics": 3}, "numerics"),
        ({"spec": {"learning_rate": 0.5}}, "spec.learning_rate"),
        ({"spec": {"weight_decay": 0}}, "spec.weight_decay"),
        ({"spec": {"invented": 1}}, "spec.invented"),
        ({"fingerprints": {"weights": "0"}}, "weights"),
        ({"task": {"version": 7}}, "task_version"),
        ({"method": {"version": 7}}, "method_version"),
    ],
)
def test_a_spec_that_disagrees_with_the_identity_is_named(change: dict[str, Any], names: str) -> None:
    content = sealed(stored(OF_THE_PILOT[0]))
    edited = {
        **content,
        **{name: {**content[name], **part} if isinstance(part, dict) else part for name, part in change.items()},
    }
    with pytest.raises(ResultsError, match=rf"stores a {names} that is not the one"):
        verify_key(edited, OF_THE_PILOT[0])
    if "numerics" not in change:
        without = {name: part for name, part in edited.items() if name != "identity"}
        with pytest.raises(ResultsError, match="by what it stores"):
            verify_key(without, OF_THE_PILOT[0])


def test_every_part_of_an_identity_is_under_the_key() -> None:
    content = sealed(stored(OF_THE_PILOT[0]))
    identity = content["identity"]
    for name in identity:
        edited = {**content, "identity": {**identity, name: "other"}}
        with pytest.raises(ResultsError, match="schema 'other'" if name == "schema" else "by what it stores"):
            verify_key(edited, OF_THE_PILOT[0])


def test_a_run_in_another_runs_folder_is_found() -> None:
    with pytest.raises(ResultsError, match=f"the folder of run {OF_THE_PILOT[1]} holds run {OF_THE_PILOT[0]}"):
        verify_key(stored(OF_THE_PILOT[0]), OF_THE_PILOT[1])


@pytest.mark.parametrize("name", ["spec", "fingerprints", "task", "method"])
def test_a_spec_that_lacks_what_its_key_is_made_of_is_refused(name: str) -> None:
    content = stored(OF_THE_PILOT[0])
    del content[name]
    with pytest.raises(ResultsError, match=f"lacks what its key is made of .*{name}"):
        verify_key(content, OF_THE_PILOT[0])


def test_every_published_run_is_sealed_and_verifies() -> None:
    assert {inspect(PUBLISHED.folder(key)).state for key in KEYS} == {VERIFIED}
