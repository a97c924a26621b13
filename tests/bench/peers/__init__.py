"""The same look at the same hosts by other tools."""
