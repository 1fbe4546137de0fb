"""Searches of hyper-parameters: the same trials for every norm, and the file of their best values."""
