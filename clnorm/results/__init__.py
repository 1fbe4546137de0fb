"""A run's folder and record, and tables of many runs."""
