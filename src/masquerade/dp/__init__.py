"""What cannot be undone, and what it costs: noise, its price, and the budget that pays for it."""
