"""Random changes of training clips: of each clip alone, which keep its class, and mixing of the clips of a batch."""
