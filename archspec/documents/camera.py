"""What a phone's camera and its software do to a scene: exposure, blur, noise, sharpening, JPEG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec.documents.draw import Picture, Random


def photograph(random: Random, scene: Picture, blurred: bool) -> NDArray[np.uint8]:
    """A scene as an 8-bit photo, (height, width, 3) RGB."""
    exposed = _exposed(random, scene)
    if blurred:
        exposed = _blurred(random, exposed)
    noisy = _noisy(random, exposed)
    return _compressed(random, noisy) if random.random() < 0.7 else noisy


def jpeg(photo: NDArray[np.uint8], quality: int = 90) -> bytes:
    """A photo, uint8 RGB of (height, width, 3), as a JPEG file."""
    import cv2

    return cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _exposed(random: Random, scene: Picture) -> Picture:
    """Too dark, too light, flat or strong in contrast, and more or less colourful."""
    light = max(20.0, float(np.percentile(scene[::4, ::4].max(axis=2), 95)))
    made = scene * np.float32((235 / light) ** random.uniform(0.3, 1) * random.uniform(0.7, 1.1))
    if random.random() < 0.5:
        grey = made.mean(axis=2, keepdims=True)
        made = grey + (made - grey) * np.float32(random.uniform(0.3, 1.4))
    if random.random() < 0.4:
        made = 255 * np.power(np.clip(made, 0, 255) / 255, np.float32(random.uniform(0.7, 1.5)))
    return np.asarray(made, np.float32)


def _blurred(random: Random, picture: Picture) -> Picture:
    """By a moving hand, by bad focus, or by a picture that was much smaller."""
    import cv2

    height, width = picture.shape[:2]
    unit = min(height, width) / 256
    kind = random.random()
    if kind < 0.35:
        reach = max(3, int(random.uniform(2, 8) * unit))
        kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
        turn = random.uniform(0, np.pi)
        end = reach / 2 * np.array([np.cos(turn), np.sin(turn)])
        a, b = (tuple(int(n) for n in np.rint(reach + sign * end)) for sign in (-1, 1))
        cv2.line(kernel, a, b, 1.0, 1, cv2.LINE_AA)
        return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.float32)
    if kind < 0.75:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 2.0) * unit), np.float32)
    share = random.uniform(0.35, 0.8)
    small = cv2.resize(picture, (max(8, int(width * share)), max(8, int(height * share))), interpolation=cv2.INTER_AREA)
    way = cv2.INTER_LINEAR if random.random() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(small, (width, height), interpolation=way), np.float32)


def _noisy(random: Random, picture: Picture) -> NDArray[np.uint8]:
    """Shot noise, which grows with light, grain in colour, and the halo of sharpening."""
    import cv2

    height, width = picture.shape[:2]
    level = random.uniform(0.3, 2.5) if random.random() < 0.85 else random.uniform(2.5, 7)
    made = picture + random.standard_normal((height, width, 1), np.float32) * np.float32(level)
    if random.random() < 0.6:
        grain = random.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32) * np.float32(level * 0.8)
        made = made + cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
    if random.random() < 0.3:
        made = made + np.float32(random.uniform(0.3, 1.2)) * (made - cv2.GaussianBlur(made, (0, 0), 1.2))
    return np.asarray(np.clip(made + 0.5, 0, 255), np.uint8)


def _compressed(random: Random, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    data = np.frombuffer(jpeg(photo, int(random.integers(35, 96))), np.uint8)
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
