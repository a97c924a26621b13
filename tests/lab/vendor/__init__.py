"""What the vendor would deliver, as stand-ins that keep the faults of the real things."""
