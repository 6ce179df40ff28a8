"""Sums over nodes, none of which sees it all."""
