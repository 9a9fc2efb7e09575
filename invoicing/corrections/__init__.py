"""After billing: what a person decides of hours that changed, and what becomes of the invoice (design section 6)."""
