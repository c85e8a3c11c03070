"""Measurements of the project itself: steps, the engine, the gate, other commits; run by hand, not in the wheel."""
