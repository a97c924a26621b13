"""The watch: looks at every host again and again, keeps what changed, and tells it."""
