"""Boxes of objects: anchors, which of them stand for which object, their coordinates, average precision."""
