"""Proof of the tests themselves: studies without any true difference, and how often each test finds one.

``python -m analysis.coverage OUT`` runs the published grid (about 25 minutes on one core) and writes
``coverage.csv`` and the figure of docs/statistics.md.

==============  =====================================================================
simulation      how a study's answers come about
verdicts        the deciding interval on many studies at once
rates           the grid of scenarios, and how often each test finds a difference
plots           the figure
==============  =====================================================================
"""
