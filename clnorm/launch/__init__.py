"""Several runs, and where they are executed."""
