"""How a model is executed, whatever it is: precision, attention, compilation, memory, predictions."""
