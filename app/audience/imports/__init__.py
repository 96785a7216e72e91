"""Imports: a file is taken in, its columns are named, and it is written chunk by chunk by a job that may die at any moment."""
