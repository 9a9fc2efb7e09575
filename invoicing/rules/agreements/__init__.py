"""Fee agreements (design section 11): which hours they cover, and which lines are due on a day. Pure."""
