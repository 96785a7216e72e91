"""Opens and clicks: answered ahead of Flask, kept in Redis for a moment, written to the database in bulk."""
