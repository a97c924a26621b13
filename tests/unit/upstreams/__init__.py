"""Tests that hold releases and stand-ins to the facts of their upstreams."""
