"""Pronouns and their candidates: how a row of a task becomes what HNN reads."""
