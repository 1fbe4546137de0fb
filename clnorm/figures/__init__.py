"""Figures for papers: functions from a frame of results to a matplotlib figure, all in one style."""
