"""Linear layers and embeddings that compute in fewer bits, in place of the model's own.

They take the parameters of those they replace, so that weights files and checkpoints stay the same.
"""

from .swap import checked_part as checked_part
from .swap import swap_modules as swap_modules
from .swap import to_bitnet as to_bitnet
