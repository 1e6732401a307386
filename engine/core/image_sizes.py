"""The sizes of pictures that a checkpoint can draw, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

PUBLIC_SHAPES = ((1024, 1024), (768, 1024), (1024, 768), (576, 1024), (1024, 576))
"""(height, width) that the public release's own demo offers."""


@dataclass(frozen=True)
class ImageSizes:
    """``usual`` is (height, width) when nothing is chosen; sides are multiples of ``unit``, all in pixels.

    ``smallest`` and ``largest`` bound the side of a picture that the model is shown; when they are equal it
    knows one size only.
    """

    usual: tuple[int, int]
    unit: int
    smallest: int
    largest: int

    @property
    def is_fixed(self) -> bool:
        return self.smallest >= self.largest

    def offered(self) -> tuple[tuple[int, int], ...]:
        """The shapes to choose from, the usual one first."""
        if self.is_fixed:
            return (self.usual,)
        fitting = [shape for shape in PUBLIC_SHAPES if max(shape) <= self.largest and shape != self.usual]
        return (self.usual, *fitting)

    def check(self, height: int, width: int) -> None:
        """Raises ``ValueError`` whose text says which sizes the model can draw."""
        if (height, width) == self.usual:
            return
        if self.is_fixed:
            raise ValueError(f"this model draws {self.usual[1]} × {self.usual[0]} pixels and no other size")
        if (
            height % self.unit
            or width % self.unit
            or min(height, width) <= 0
            or max(height, width) > self.largest
        ):
            raise ValueError(
                f"this model can't draw {width} × {height} pixels: each side must be a "
                f"multiple of {self.unit}, at most {self.largest}"
            )

    def fitting(self, height: int, width: int) -> tuple[int, int]:
        """The size at which the model sees a given picture, its shape kept as well as the units allow."""
        if self.is_fixed:
            return self.usual
        scale = min(self.largest / max(height, width), 1.0)
        scale = max(scale, self.smallest / min(height, width))
        scale = min(scale, self.largest / max(height, width))  # a panorama is small rather than cut
        tall, wide = (round(side * scale / self.unit) * self.unit for side in (height, width))
        return min(max(tall, self.unit), self.largest), min(max(wide, self.unit), self.largest)
