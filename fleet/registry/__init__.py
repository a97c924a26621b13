"""Images in registries: the client that reads and downloads them, and logins.

The protocol is that of the OCI Distribution Specification 1.1 (Docker's Registry HTTP API V2).
"""
