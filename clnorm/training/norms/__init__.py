"""What training has to do with norms: what they are told, and what their running statistics can do."""
