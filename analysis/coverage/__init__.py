"""Error rates of the tests, measured on simulated studies without a true difference.

``python -m analysis.coverage OUT`` runs the published grid (about 25 minutes on one core) and writes ``coverage.csv``
and the figure of docs/statistics.md.

- ``simulation``: simulated studies
- ``verdicts``: the deciding interval on many studies at once
- ``rates``: the grid of scenarios, and the rate at which each test finds a difference
- ``plots``: the figure
"""
