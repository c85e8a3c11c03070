"""The suite around :mod:`smart_repro`: tasks, experiments, the run store and the command line."""
