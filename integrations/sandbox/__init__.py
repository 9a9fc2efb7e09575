"""Imitations of Toggl Track and Billit, served over real HTTP on loopback.

Standard library only: nothing of the product is imported here, and the product starts it as a process of its own.
"""
