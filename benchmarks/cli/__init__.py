"""The command line: verbs, their options, listings and what is printed while runs are at work."""
