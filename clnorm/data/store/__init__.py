"""Decoded clips on the disk: how they are decoded once, kept, checked and read in batches."""
