"""Judges a published log with tlog-scales, a library that nobody here wrote.

    python tlog_scales_judge.py FOLDER VKEY...

Exits with 0 if the checkpoint in FOLDER carries a valid signature by every VKEY (the log's and its witnesses'), the tiles give
its root, each entry of the bundles is a leaf of that tree, and each earlier size leads to it; with 1, and a line, if not.
"""

import sys

from tlog_scales import backend, tiles
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet


def judge(folder, vkeys):
    reader = TilesReader(backend.make_backend(folder))
    checkpoint = reader.get_checkpoint()
    keys = [Vkey.from_string(vkey) for vkey in vkeys]
    valid = VkeySet(*keys).verify(checkpoint.signatures, checkpoint)
    signed = {key.name for key, _ in valid}
    for key in keys:
        if key.name not in signed:
            return f"no valid signature by {key.name}"
    if reader.calculate_root_hash() != checkpoint.root_hash:
        return "the tiles give another root"
    for index in range(checkpoint.size):
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        proof.check(tiles.leaf_hash(reader.get_entry(index)), checkpoint.root_hash)
    for old in range(1, checkpoint.size):
        proof = reader.get_consistency_proof(old, checkpoint.size)
        proof.check(reader.mth(0, old), checkpoint.root_hash)
    print(f"{checkpoint.origin}: {checkpoint.size} entries, {len(valid)} signatures")
    return None


if __name__ == "__main__":
    try:
        wrong = judge(sys.argv[1], sys.argv[2:])
    except Exception as error:  # whatever the library finds wrong
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        print(wrong)
        sys.exit(1)
