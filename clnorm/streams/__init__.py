"""How the classes of a dataset become experiences."""
