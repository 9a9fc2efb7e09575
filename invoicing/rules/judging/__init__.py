"""Which product, customer and treatment an entry has, or why a person has to decide (design R1 to R4). Pure."""
