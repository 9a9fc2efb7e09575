"""How the site is served: gunicorn's worker, static files, and the cache in which the rate limits are counted."""
