"""The states of a run: when they are kept and taken up, beginnings that runs share, and what a run has cost."""
