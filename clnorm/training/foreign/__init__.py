"""Plug-ins that were not written for clnorm: Avalanche's own, and what derives from its classes alone."""
