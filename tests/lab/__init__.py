"""The lab: servers with stand-in cards, on one machine, that behave like bare metal over SSH."""
