"""What the runs under a folder keep, each kind as one long table with the runs' names in every row."""
