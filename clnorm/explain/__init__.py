"""Where a run's forgetting lives: in its running statistics, its head, or its features."""
