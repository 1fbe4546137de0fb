"""Following a run elsewhere while it goes on: one file for each place; `log.jsonl` is written whatever is chosen."""
