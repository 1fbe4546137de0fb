"""The clips that a method keeps of what it has trained on."""
