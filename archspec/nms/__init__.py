"""Non-maximum suppression inside of a file: ops behind the heads of an SSD, held to what they should say."""
