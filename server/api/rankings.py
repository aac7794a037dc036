"""Rankings kept for their further pages, so that those go on in the very order in which the first began.

Word statistics are the index's of now: ranked anew, what others wrote meanwhile could move a hit across the end of a
page. The least recently used gives way; its pages are then ranked anew at the same position.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable

from engine.rank import Ranking


class Rankings:
    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Ranking] = OrderedDict()
        self._using = threading.Lock()

    def get(self, asked: Hashable) -> Ranking | None:
        """The ranking of that question. Whoever asks puts the tenant, the principal and the position into it."""
        with self._using:
            found = self._kept.get(asked)
            if found is not None:
                self._kept.move_to_end(asked)
            return found

    def keep(self, asked: Hashable, ranking: Ranking) -> None:
        with self._using:
            self._kept[asked] = ranking
            self._kept.move_to_end(asked)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
