"""Mends hosts within a budget, one rung after the other, and says why it does not."""
