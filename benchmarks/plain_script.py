"""Sharpens every n-th picture of a folder by OpenCV's own calls, as a script that one writes for it; nothing is synced.

python plain_script.py IN_FOLDER OUT_FOLDER PART OF
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np


def main() -> None:
    source, target, part, of = sys.argv[1:]
    cv2.setNumThreads(1)
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
    for path in sorted(Path(source).iterdir())[int(part) :: int(of)]:
        picture = cv2.imread(str(path))
        assert picture is not None
        sharp = cv2.filter2D(picture, -1, kernel)
        cv2.imwrite(str(Path(target) / path.name), sharp, [cv2.IMWRITE_JPEG_QUALITY, 95])


if __name__ == "__main__":
    main()
