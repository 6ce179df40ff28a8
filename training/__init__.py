"""How the model that finds names was made: lists, examples, network. Nothing of this is needed to use it."""
