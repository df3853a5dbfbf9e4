"""Configs in a dict, and the comparison of a 1.x listener request with them."""

import hashlib
from urllib.parse import unquote_plus


class PlainConfigs:
    def __init__(self) -> None:
        self.contents: dict[tuple[str, str, str], bytes] = {}
        self.md5: dict[tuple[str, str, str], str] = {}

    def put(self, key: tuple[str, str, str], content: bytes) -> str:
        md5 = hashlib.md5(content).hexdigest()
        self.contents[key] = content
        self.md5[key] = md5
        return md5

    def changed(self, form: bytes) -> list[tuple[str, str]]:
        """Which keys of the request differ: data id, group."""
        text = unquote_plus(form.decode().removeprefix("Listening-Configs="))
        changed = []
        for line in text.split("\x01")[:-1]:
            data_id, group, md5, *tenant = line.split("\x02")
            namespace = tenant[0] if tenant and tenant[0] else "public"
            if self.md5.get((namespace, group, data_id), "") != md5:
                changed.append((data_id, group))
        return changed
