"""Uploaded files: the parts of a ``multipart/form-data`` body (RFC 7578), found without copying more than once."""

import re

_boundary = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE).search
_name = re.compile(rb'\bname="([^"]*)"', re.IGNORECASE).search


def parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The first part of each name. A body that is cut off has no last part; what is no such body has none at all."""
    found = _boundary(content_type) if content_type.lower().startswith("multipart/form-data") else None
    if found is None:
        return {}
    mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    parts: dict[str, bytes] = {}
    at = 0 if body.startswith(mark[2:]) else body.find(mark) + 2
    while at >= 0 and (head_from := at + len(mark) - 2) and body[head_from : head_from + 2] == b"\r\n":
        head_end = body.find(b"\r\n\r\n", head_from)
        end = body.find(mark, head_end + 2)
        if head_end < 0 or end < 0:
            break
        disposition = next(
            (
                line
                for line in body[head_from:head_end].split(b"\r\n")
                if line.lower().startswith(b"content-disposition:")
            ),
            b"",
        )
        if name := _name(disposition):
            parts.setdefault(name[1].decode(errors="replace"), body[head_end + 4 : end])
        at = end + 2
    return parts
