"""The configuration of a run: its keys, their checks and defaults, how it is read, and a run's identity."""
