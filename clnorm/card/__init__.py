"""A page about one norm: its contract, its cost, what it is equal to, and how it learns and forgets beside others."""
