"""What norms by statistics are computed by: moments over positions, one pass to apply, in torch or in C++."""
