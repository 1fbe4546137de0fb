"""Is a dataset in order: its clips counted against its lists and what is published, and opened or decoded."""
