"""Requests drawn at random, reproducible by their seed, for the tests that ask everything of every address."""
