"""Verdicts of an experiment as a table of a notebook."""

from __future__ import annotations

from dataclasses import replace

from analysis.claims import NOT_RUN, Verdict
from analysis.claims.verdicts import Verdicts
from analysis.schema import Claim, Contrast


def test_a_notebook_shows_a_row_per_claim_with_escaped_text() -> None:
    claim = Claim(contrast=Contrast("a", "b"), tasks=("rte",), id="first", sentence="A < B & so on.")
    verdicts = Verdicts([Verdict(claim, NOT_RUN, reason="no runs"), Verdict(replace(claim, id="second"), NOT_RUN)])
    shown = verdicts._repr_html_()
    assert shown.count("<tr>") == 3
    assert "<td>A &lt; B &amp; so on.</td><td>not run</td><td>not run: no runs.</td>" in shown
    assert repr(verdicts) == "first: not run\nsecond: not run"
