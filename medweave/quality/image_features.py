"""Numbers that describe an image itself: its size, and what a scanner or its settings change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IMAGE_FEATURES = ("side", "aspect", "brightness", "contrast", "noise", "sharpness", "saturation")
LONGER_SIDE = 512


def image_features(image: NDArray[np.uint8]) -> dict[str, float]:
    """Describe an HxWx3 uint8 RGB image by finite numbers.

    - `side`: geometric mean of height and width in pixels; `aspect`: width / height
    - `brightness`, `contrast`: mean and standard deviation of the gray levels 0..255

    and, of the image at most 512 px on the longer side,

    - `noise`: its standard deviation in gray levels by Immerkær's fast estimate (CVIU 1996): the mean absolute response
      to the difference of two Laplacians, times sqrt(pi / 2) / 6
    - `sharpness`: logarithm (base 10) of 1 + the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000)
    - `saturation`: mean of the largest less the smallest colour channel, 0..255; 0 of a gray image
    """
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, LONGER_SIDE / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean, deviation = cv2.meanStdDev(gray)
    laplacian = cv2.Laplacian(gray, cv2.CV_32F)
    noise = cv2.filter2D(gray, cv2.CV_32F, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32))
    channels = cv2.split(image)
    colour = cv2.subtract(cv2.max(cv2.max(*channels[:2]), channels[2]), cv2.min(cv2.min(*channels[:2]), channels[2]))
    return {
        "side": float(np.sqrt(height * width)),
        "aspect": width / height,
        "brightness": float(mean[0, 0]),
        "contrast": float(deviation[0, 0]),
        "noise": float(np.abs(noise).mean() * np.sqrt(np.pi / 2) / 6),
        "sharpness": float(np.log10(1 + laplacian.var())),
        "saturation": float(np.mean(colour)),
    }
