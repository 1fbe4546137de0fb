"""A run's folder and record, and the frames of many runs."""
