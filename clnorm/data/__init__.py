"""Clips: readers make a ClipTable, a ClipStore decodes it once, augmentation works on batches of decoded clips."""
