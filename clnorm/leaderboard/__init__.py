"""A leaderboard of norms as a folder of static pages: what was measured is ranked, what papers report stands beside."""
