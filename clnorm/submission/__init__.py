"""Records that somebody submits, and what is checked of them before they are taken."""
