"""Pictures turned upright."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels as stored, turned and mirrored as their EXIF orientation (1 to 8) says; (height, width, channels)."""
    import cv2

    if not 2 <= orientation <= 8:
        return pixels
    turned: Any = pixels
    if orientation >= 5:
        turned = cv2.transpose(turned)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    if flip is not None:
        turned = cv2.flip(turned, flip)
    result: NDArray[Any] = turned.reshape(*turned.shape[:2], pixels.shape[2])
    return result
