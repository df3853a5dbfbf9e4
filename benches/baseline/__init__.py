"""The same work in plain Python, written for the comparison and nothing else."""
