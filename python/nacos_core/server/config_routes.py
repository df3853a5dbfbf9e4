"""The paths under which configurations are administered, in the words of v2 and v3. Those of v1 share one path."""

from functools import partial
from typing import TYPE_CHECKING, Final

from nacos_core.server import (
    capacity_http,
    config_change_http,
    config_copy_http,
    config_list_http,
    config_metadata_http,
    gray_http,
    listener_http,
    rollback_http,
)
from nacos_core.server.versions import V1, V2, V3

if TYPE_CHECKING:
    from collections.abc import Callable

    from nacos_core._core import HttpRequest
    from nacos_core.server.context import Context

    Handler = Callable[[Context, HttpRequest], None]

_V2: Final = "/nacos/v2/cs/config"
_ADMIN: Final = "/nacos/v3/admin/cs/config"
_CONSOLE: Final = "/nacos/v3/console/cs/config"
_HISTORIES: Final = ("/nacos/v3/admin/cs/history", "/nacos/v3/console/cs/history")


def _both(method: str, path: str, handler: "Handler") -> "dict[tuple[str, str], Handler]":
    """Under the paths of administrators and of the console."""
    return {(method, f"{_ADMIN}{path}"): handler, (method, f"{_CONSOLE}{path}"): handler}


CONFIG_ROUTES: "Final[dict[tuple[str, str], Handler]]" = {
    ("GET", _V2): config_change_http.query_v2,
    ("POST", _V2): partial(config_change_http.publish, V2),
    ("DELETE", _V2): partial(config_change_http.remove, V2),
    ("GET", f"{_V2}/searchDetail"): partial(config_list_http.search, V2),
    **_both("GET", "", partial(config_list_http.detail, V3)),
    **_both("POST", "", partial(config_change_http.publish, V3)),
    **_both("DELETE", "", partial(config_change_http.remove, V3)),
    ("DELETE", f"{_ADMIN}/batch"): partial(config_change_http.remove_by_ids, V3),
    ("DELETE", f"{_CONSOLE}/batchDelete"): partial(config_change_http.remove_by_ids, V3),
    **_both("PUT", "/metadata", config_metadata_http.describe),
    **_both("GET", "/beta", partial(gray_http.query_beta, V3)),
    **_both("DELETE", "/beta", partial(gray_http.remove_beta, V3)),
    **_both("GET", "/gray/list", gray_http.list_all),
    **_both("GET", "/gray", gray_http.detail),
    **_both("DELETE", "/gray", gray_http.remove),
    **_both("POST", "/gray/promote", gray_http.promote),
    **_both("GET", "/list", partial(config_list_http.search, V3)),
    ("GET", f"{_CONSOLE}/searchDetail"): partial(config_list_http.search, V3),
    **_both("POST", "/clone", partial(config_copy_http.clone, V3)),
    **_both("POST", "/import", partial(config_copy_http.import_archive, V3)),
    **_both("GET", "/export", partial(config_copy_http.export, V3, True)),
    ("GET", f"{_CONSOLE}/export2"): partial(config_copy_http.export, V3, True),
    ("GET", "/nacos/v1/cs/configs/listener"): partial(listener_http.of_config, V1),
    ("GET", "/nacos/v1/cs/listener"): partial(listener_http.of_client, V1),
    **_both("GET", "/listener", partial(listener_http.of_config, V3)),
    ("GET", "/nacos/v3/admin/cs/listener"): partial(listener_http.of_client, V3),
    ("GET", f"{_CONSOLE}/listener/ip"): partial(listener_http.of_client, V3),
    **{
        (method, path): partial(handler, version)
        for path, version in (("/nacos/v1/cs/capacity", V1), ("/nacos/v3/admin/cs/capacity", V3))
        for method, handler in (("GET", capacity_http.query), ("POST", capacity_http.change))
    },
    **{("POST", f"{path}/rollback"): rollback_http.roll_back for path in _HISTORIES},
    **{("GET", f"{path}/diff"): rollback_http.difference for path in _HISTORIES},
}
