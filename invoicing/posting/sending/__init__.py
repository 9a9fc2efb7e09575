"""Having Billit send an order: by which way, and what becomes of it (design R11)."""
