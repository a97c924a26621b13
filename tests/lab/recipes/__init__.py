"""What upstreams and vendor would deliver for the other tutorials; made when a test asks for it."""
