"""The store, the folder of the vendor's files: read all of it, and fill it."""
