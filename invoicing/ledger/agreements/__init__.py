"""Fee agreements as the books have them: what stands of each, blocks, what Billit billed itself (section 11)."""
