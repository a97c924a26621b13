"""All that a site without internet needs, in one signed file."""
