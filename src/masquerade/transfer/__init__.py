"""The model goes to the data. The modules of this folder need PyTorch: pip install 'masquerade[transfer]'."""
