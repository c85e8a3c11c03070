"""The studies behind docs/FINDINGS.md: each asks one question at working points that were fixed before its runs."""
