"""The document in an edge map: its four corners, its page laid flat, a picture of both."""

from archspec.scan.find import Found, NotFound, find_quad
from archspec.scan.locate import locate, overlay
from archspec.scan.page import rectify

__all__ = ["Found", "NotFound", "find_quad", "locate", "overlay", "rectify"]
