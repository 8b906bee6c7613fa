"""Files that are generated from the command tree: help pages, the reference, shell completions."""
