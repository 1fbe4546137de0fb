"""Predictions to accuracy matrix, matrix to metrics, metrics to intervals: pure functions of arrays."""
