"""What the site tells of itself: metrics, what runs, and whether all is well."""
