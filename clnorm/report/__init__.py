"""All runs of a folder as one HTML page: means, figures, every run in detail, and runs and norms side by side."""
