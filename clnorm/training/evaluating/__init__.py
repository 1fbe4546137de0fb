"""What is evaluated of a model in training: after each experience, and every few steps."""
