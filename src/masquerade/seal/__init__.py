"""Hand something over closed: signed by one, opened by others, refused when a byte of it was changed."""
