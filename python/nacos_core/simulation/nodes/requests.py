"""Which requests of a log count, said in the simplest way: of each the first copy that its origin still waited for.

This is what ``raft.sessions`` has to come to with bounded memory. Nothing is forgotten here, so that what is forgotten
there too early, or counted wrongly, shows.
"""

from nacos_core.raft.configuration import Configuration
from nacos_core.raft.entries import Entry


class Requests:
    """Looks at the entries of one log in their order."""

    def __init__(self) -> None:
        self._member_ids: tuple[str, ...] = ()
        self._waits_from: dict[str, tuple[int, int]] = {}
        """The first write, as boot and number, of which each origin is known to wait for the outcome."""
        self._counted: set[tuple[str, int, int]] = set()

    def members_are(self, configuration: Configuration) -> None:
        """From here on these are the members; of what others have asked for, nothing counts."""
        self._member_ids = configuration.node_ids

    def counts(self, entry: Entry) -> bool:
        """Whether it is to be applied."""
        origin_id = entry.origin_id
        if origin_id not in self._member_ids:
            return False
        waits_from = max(self._waits_from.get(origin_id, (0, 0)), (entry.boot, entry.oldest_open))
        self._waits_from[origin_id] = waits_from
        request = (origin_id, entry.boot, entry.sequence)
        if (entry.boot, entry.sequence) < waits_from or request in self._counted:
            return False
        self._counted.add(request)
        return True
