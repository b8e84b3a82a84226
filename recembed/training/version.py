"""What compiled kernels were made from, besides the file that they stand in.

Numba stores them on disk and looks at that one file alone; a change in the others must not be
missed, so the kernels carry this as a constant.
"""

from hashlib import sha256
from pathlib import Path

_PARTS = ("bags", "gains", "lanes", "sampler", "tiles")
VERSION = sha256(
    b"".join(Path(__file__).with_name(f"{part}.py").read_bytes() for part in _PARTS)
).hexdigest()
