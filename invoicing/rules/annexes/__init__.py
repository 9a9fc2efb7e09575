"""The annex of hours: what stands in it, and in which words. Pure."""
