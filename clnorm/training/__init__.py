"""How a model is trained on one experience after the other, and what is measured meanwhile."""
