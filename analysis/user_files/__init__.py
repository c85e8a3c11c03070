"""Text files that users bring, data as well as predictions: read as strings, or refused in one line."""
