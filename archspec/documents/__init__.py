"""Generated photos of documents, each with its truth: what the document networks train and are measured on."""

from archspec.documents.camera import jpeg
from archspec.documents.folders import read_pictures
from archspec.documents.sample import Sample, sample
from archspec.documents.settings import PLAIN, Pictures, Settings

__all__ = ["PLAIN", "Pictures", "Sample", "Settings", "jpeg", "read_pictures", "sample"]
