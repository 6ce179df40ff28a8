"""Something handed over closed: sealed to recipients, signed, verified before it is read.

from masquerade import seal
seal.seal(out, entries, [recipient], identity, sequence=1)
package = seal.open(file, identity, signer)
package.read("model.safetensors", start, size)
"""

from masquerade.seal.envelope import Cover, Entry, Package, inspect, open, seal
from masquerade.seal.manifest import Manifest, Member, Paid, Price, Public
from masquerade.seal.recipient import Recipient

__all__ = [
    "Cover", "Entry", "Manifest", "Member", "Package", "Paid", "Price", "Public", "Recipient",
    "inspect", "open", "seal",
]  # fmt: skip
