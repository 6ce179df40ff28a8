"""How the model of names is made: generated text, the training, its evaluation."""
