"""Databases that earlier code filled, taken through every migration to today's.

``fill`` makes them, by hand, once for a commit; ``a949347/`` holds what it made; ``restored`` brings one back to life;
``todays`` is what today's code finds in it.
"""
