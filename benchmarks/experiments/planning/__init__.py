"""What an experiment is, and how a request becomes one: rows, columns, profiles, costs, tuning."""
