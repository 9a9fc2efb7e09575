"""A firm leaves: it takes everything along, its secrets are destroyed, and its books are kept to be read."""
