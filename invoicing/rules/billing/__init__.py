"""From judged hours to the lines of an invoice: rounding, price, VAT, discounts (design R5 to R7). Pure."""
