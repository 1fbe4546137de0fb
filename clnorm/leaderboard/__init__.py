"""A leaderboard of norms as a folder of static pages: what was reproduced is ranked, reported numbers stand beside."""
