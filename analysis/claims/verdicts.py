"""Verdicts on the claims of an experiment, as a list that a notebook shows as a table."""

from __future__ import annotations

from html import escape

from analysis.claims.claim import Verdict
from analysis.claims.words import in_words


class Verdicts(list[Verdict]):
    """The verdicts on an experiment's claims, in its order."""

    def __repr__(self) -> str:
        return "\n".join(f"{verdict.claim.id}: {verdict.words}" for verdict in self)

    def _repr_html_(self) -> str:
        """Return a table for a notebook: a row per claim, with its verdict and the numbers behind it."""
        rows = ((verdict.claim.id, verdict.claim.sentence, verdict.counted_as, in_words(verdict)) for verdict in self)
        body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
        head = "".join(f"<th>{name}</th>" for name in ("claim", "sentence", "verdict", "numbers"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
