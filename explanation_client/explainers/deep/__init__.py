"""Neural networks of PyTorch and Keras: recognising them, asking them for outputs and gradients, explaining them.

Nothing here imports torch, Keras or TensorFlow before a network of theirs is explained.
"""
