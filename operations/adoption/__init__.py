"""Takes over what was made on a host by hand, where it is what the release asks for."""
