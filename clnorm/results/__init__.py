"""Results as tables, from one long frame with a row for each run and metric."""
