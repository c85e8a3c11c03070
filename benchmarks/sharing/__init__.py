"""Finished runs for others: archives, published copies, exported models, leaderboard files."""
