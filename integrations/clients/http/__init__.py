"""HTTP to both services: sessions, answers read without loss, failures by code."""
