"""The only folder that imports TensorFlow."""
