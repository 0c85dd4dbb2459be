"""Static graphs as plain data, and their texts and pictures."""
