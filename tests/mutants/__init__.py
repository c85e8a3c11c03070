"""One-token mutants of the deciding code, and the tests that have to catch them."""
