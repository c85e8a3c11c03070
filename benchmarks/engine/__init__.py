"""From a plan to finished runs: planning, forecasts, executors and their workers."""
