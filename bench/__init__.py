"""How fast the methods are, against each other and against public code."""
