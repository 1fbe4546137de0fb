"""What a paper with a table must cite."""
