"""A trained model outside of its run: kept in a file, predicting, simplified, exported."""
