"""Decodes JPEG files and encodes them again on two threads: what a batch would take if filtering took nothing.

python codecs_alone.py OUT_FOLDER FILE...
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2

THREADS = 2


def main() -> None:
    cv2.setNumThreads(1)
    target = Path(sys.argv[1])
    # Next of one iterator of a list is atomic: each file goes to one thread.
    files = iter(sys.argv[2:])
    failed = []

    def work() -> None:
        for name in files:
            picture = cv2.imread(name)
            if picture is None or not cv2.imwrite(
                str(target / Path(name).name), picture, [cv2.IMWRITE_JPEG_QUALITY, 95]
            ):
                failed.append(name)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()
