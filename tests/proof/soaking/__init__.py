"""The soak: a site at work for hours, while hours change, services fail, workers are killed and Redis is away."""
