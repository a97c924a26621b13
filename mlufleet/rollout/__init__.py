"""A release to a whole fleet: canaries first, then a window of hosts, within a failure budget."""
