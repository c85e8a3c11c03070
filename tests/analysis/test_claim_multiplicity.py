"""Holm's correction over primary contrasts and over a paper's claims."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_claim_verdicts import claim, part

from analysis.claims import multiplicity
from analysis.claims.claim import Verdict
from analysis.claims.multiplicity import Family, corrected, families, family_of, over_family
from analysis.claims.rule import judge
from analysis.claims.words import in_words
from analysis.results import Results
from analysis.schema import Claim, Manifest
from tests.test_docs import ROOT, module


def verdict(id: str, estimate: float, error: float = 1.0) -> Verdict:
    return judge(Claim.from_json(claim(id=id, tasks=["t"], size=None)), {"t": part(estimate, error, n_items=100_000)})


@pytest.fixture
def two_families(monkeypatch):
    primary = Family("3 primary contrasts", ("p1", "p2", "p3"), ("here", "there"), True)
    paper = Family("4 claims of A", ("e1", "e2", "e3", "e4"), ("here",))
    monkeypatch.setattr(multiplicity, "families", lambda: (primary, paper))


def test_holm_counts_claims_that_were_not_run_as_one():
    family = Family("f", ("a", "b", "c"), ())
    assert over_family(family, {"a": 0.01, "b": 0.04}) == pytest.approx({"a": 0.03, "b": 0.08, "c": 1.0})
    assert over_family(family, {"a": 0.04}) == pytest.approx({"a": 0.12, "b": 1.0, "c": 1.0})


def test_a_primary_contrast_is_decided_after_holm_and_others_have_it_beside_them(tmp_path, two_families):
    manifest = Manifest("here", "", (), (), (), {})
    given = [verdict("p1", 2.1), verdict("p2", 4.0), verdict("e1", 2.1), verdict("other", 2.1)]
    first, second, exploratory, outside = corrected(Results.open(tmp_path), manifest, given, lambda *_: [])
    assert first.words == "inconclusive (supported before Holm's correction)"  # p = 0.036; 0.07 after Holm over 3
    assert first.holm == pytest.approx(2 * first.p)  # the second of three by size
    assert second.words == "supported"
    assert second.holm == pytest.approx(3 * second.p)
    assert (exploratory.status, exploratory.holm) == ("supported", pytest.approx(4 * exploratory.p))
    assert exploratory.words == "supported (exploratory)"
    assert "Exploratory: p = 0.14 after Holm over 4 claims of A." in in_words(exploratory)
    assert "Primary: p = 0.07" in in_words(first)
    assert outside == given[3]


def test_claims_of_other_experiments_count_in_the_family(tmp_path, two_families, monkeypatch):
    monkeypatch.setattr(Results, "experiments", lambda _: ["here", "there", "unrelated"])
    monkeypatch.setattr(Results, "manifest", lambda _, name: Manifest(name, "", (), (), (), {}))
    asked = []

    def elsewhere(_, manifest):
        asked.append(manifest.name)
        return [verdict("p3", 2.3)]

    manifest = Manifest("here", "", (), (), (), {})
    (alone,) = corrected(Results.open(tmp_path), manifest, [verdict("p1", 2.2)], lambda *_: [])
    (got,) = corrected(Results.open(tmp_path / "other"), manifest, [verdict("p1", 2.2)], elsewhere)
    assert asked == ["there"]
    assert (alone.holm, got.holm) == (pytest.approx(3 * got.p), pytest.approx(max(2 * got.p, 3 * verdict("p3", 2.3).p)))


def test_no_verdict_is_neither_corrected_nor_counted(tmp_path, two_families):
    without = replace(verdict("p1", 9.0), status="no verdict", reason="pilot at the floor")
    (got,) = corrected(Results.open(tmp_path), Manifest("here", "", (), (), (), {}), [without], lambda *_: [])
    assert got == without
    assert multiplicity.p_in_family(without) == 1.0
    assert multiplicity.p_in_family(replace(verdict("p1", 9.0), in_part=True)) == 1.0


def test_the_committed_families_are_those_of_the_experiments():
    script = module(ROOT / "docs" / "_scripts" / "claim_families.py")
    assert script.PATH.read_text(encoding="utf-8") == script.families(), "run: python docs/_scripts/claim_families.py"
    primary, pilot, *papers = families()
    for family in (primary, pilot):
        assert family.is_primary
        assert len(family.claims) <= 12
        assert set(family.claims) <= {claim for paper in papers for claim in paper.claims}
        assert family_of(family.claims[0]) == family
    assert not set(primary.claims) & set(pilot.claims)
    assert family_of("nobody-asks-this") is None
