"""The readers of datasets: from a folder of videos and its lists to a table of clips."""
