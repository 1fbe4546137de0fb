"""Tables of results: what stands in them, and how formats write it."""
