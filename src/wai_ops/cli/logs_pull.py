"""`wai logs pull` and `wai logs status`."""
