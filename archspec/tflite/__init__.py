"""Reads and rewrites .tflite files without TensorFlow: fewer bytes, the releases they need, the memory they take."""
