"""The model goes to the data: private training, and recipes by which a model is handed over."""
