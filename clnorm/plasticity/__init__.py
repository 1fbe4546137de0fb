"""How well a model can still learn, at each of its norm sites: measures of one fixed batch."""
