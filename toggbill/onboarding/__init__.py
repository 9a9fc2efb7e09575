"""The onboarding file (design section 10): read, checked whole, and told fault by fault with its place."""
