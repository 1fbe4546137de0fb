"""What is done about unequal classes while training: samplers, losses, heads fitted anew."""
