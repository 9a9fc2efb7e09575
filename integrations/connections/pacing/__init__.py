"""How often, and how much at once, a service is asked (design sections 7 and 8)."""
