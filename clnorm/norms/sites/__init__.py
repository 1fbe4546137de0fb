"""Where norms stand in a model: finding the places, building a norm by name, adapting its view, swapping."""
