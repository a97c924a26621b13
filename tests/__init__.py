"""Proof: unit tests, and the lab that the end-to-end tests run on."""
