"""What a step, the engine and the gate cost, and what other commits compute; run by hand, not part of the wheel."""
