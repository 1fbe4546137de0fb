"""The synthetic dataset: moving shapes, drawn and encoded into real video files."""
