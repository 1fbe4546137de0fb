"""The continual-learning strategies, one method a file, each with the function that builds it."""
