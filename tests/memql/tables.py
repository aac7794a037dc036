"""Makes the parser's tables of the grammar anew: python -m tests.memql.tables"""

import sys
from pathlib import Path

from memql import grammar

if __name__ == "__main__":
    packed = grammar.built()
    (Path(grammar.__file__).parent / "memql.tables").write_bytes(packed)
    sys.stdout.write(f"{len(packed):,} bytes\n")
