"""A release to a fleet, canary first, never risking more of it than was allowed."""
