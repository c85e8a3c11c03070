"""What a step, the engine and the gate cost; run by hand, not part of the wheel."""
