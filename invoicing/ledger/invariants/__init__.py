"""What must hold in the books, each rule by its name (design section 6). Reads only."""
