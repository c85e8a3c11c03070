"""Experiments as values, and requests for them: rows, columns, profiles, costs, tuning."""
