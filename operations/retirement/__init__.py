"""Removes from a host what this tool made on it, and nothing else."""
