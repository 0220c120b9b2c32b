"""A run's events for TensorBoard, made from the logs that it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from archspec.train.run import PICTURES, measures, steps

FOLDER = "tensorboard"


class Board:
    """Loss, learning rate, measures and pictures of a run in one file of events.

    What an earlier process of the run wrote is made again, up to the step that the run goes on from.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for old in (folder / FOLDER).glob("events.*"):
            old.unlink()
        self.writer = tf.summary.create_file_writer(str(folder / FOLDER))
        self.steps, self.measures, self.pictures = 0, 0, set[Path]()

    def update(self) -> None:
        """Write what is new in the run's folder. Raises OSError."""
        found, measured = steps(self.folder), measures(self.folder)
        with self.writer.as_default():
            for step, loss, rate in found[self.steps :]:
                self._scalar("loss", loss, step)
                self._scalar("learning_rate", rate, step)
            for step, name, value in measured[self.measures :]:
                self._scalar(f"measure/{name}", value, step)
            for path in sorted(set((self.folder / PICTURES).glob("*.png")) - self.pictures):
                self._picture(path)
                self.pictures.add(path)
        self.steps, self.measures = len(found), len(measured)
        self.writer.flush()

    def _scalar(self, tag: str, value: float, step: int) -> None:
        _write(tag, tf.constant(value, tf.float32), step, "scalars")

    def _picture(self, path: Path) -> None:
        from PIL import Image

        with Image.open(path) as picture:
            width, height = picture.size
        _write("picture", tf.constant([str(width), str(height), path.read_bytes()]), int(path.stem), "images")


def _write(tag: str, value: Any, step: int, plugin: str) -> None:
    """What tf.summary.scalar and .image do; those two need TensorBoard to be installed."""
    data = tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
    tf.summary.write(tag, value, step=step, metadata=tf.compat.v1.SummaryMetadata(plugin_data=data))
