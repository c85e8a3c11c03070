"""Run folders, work in flight, and the leases that keep two processes apart."""
