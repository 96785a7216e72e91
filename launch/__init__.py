"""The supervisor behind ``./run``: starts every process of the house, watches them, and ends them together.

Only the standard library is imported here: the supervisor must be able to say what is wrong before anything else works.
"""
