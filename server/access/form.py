"""How a key is written: `mk_<id>_<secret><checksum>`, letters and digits that a double click selects.

The checksum tells a mistyped key from a wrong one before anything is looked up, and lets scanners of sources find
keys that were left in them. What is kept of a key is its id and a keyed digest: the secret is long enough that no slow
hash is needed, and who reads the store alone can make nothing of it.
"""

import base64
import hashlib
import hmac
import re
import zlib

ID_BYTES, SECRET_BYTES = 10, 32
_ID, _SECRET, _CHECKSUM = 16, 52, 7
_KEY = re.compile(rf"mk_([a-z2-7]{{{_ID}}})_([a-z2-7]{{{_SECRET}}})([a-z2-7]{{{_CHECKSUM}}})\Z")


def made(entropy: bytes) -> tuple[str, str]:
    """The id and the key that these bytes make, 42 that nobody can guess."""
    assert len(entropy) == ID_BYTES + SECRET_BYTES, "so many bytes make a key"
    id_, secret = _written(entropy[:ID_BYTES]), _written(entropy[ID_BYTES:])
    return id_, f"mk_{id_}_{secret}{_checksum(id_, secret)}"


def id_of(key: str) -> str | None:
    """The id of what is written as a key; None where it can't be one."""
    found = _KEY.match(key)
    return found[1] if found and _checksum(found[1], found[2]) == found[3] else None


def looks_like(text: str) -> bool:
    """Whether it was meant as a key of ours."""
    return text.startswith("mk_")


def digest(server_secret: bytes, key: str) -> bytes:
    """What is kept of a key."""
    return hmac.digest(server_secret, key.encode(), hashlib.sha256)


def same(one: bytes, other: bytes) -> bool:
    """Compares in a time that does not tell where two digests differ."""
    return hmac.compare_digest(one, other)


def _written(given: bytes) -> str:
    return base64.b32encode(given).decode().rstrip("=").lower()


def _checksum(id_: str, secret: str) -> str:
    return _written(zlib.crc32(f"{id_}_{secret}".encode()).to_bytes(4, "big"))
