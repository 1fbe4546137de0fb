"""The audit of a dataset: what its clips look like, whether its splits keep apart what belongs together, and drift."""
