"""From a float .tflite file to one of integers: ranges, rows, borders, types, errors. No TensorFlow."""
