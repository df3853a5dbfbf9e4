"""A flag beats the environment, which beats the file, which beats the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacos_core.cluster.settings import cluster_settings
from nacos_core.errors import SettingsError
from nacos_core.settings import Settings, check, is_loopback, load


def write(folder: Path, text: str) -> str:
    path = folder / "node.toml"
    path.write_text(text)
    return str(path)


def test_without_any_source_the_defaults_hold() -> None:
    assert load({}, {}) == Settings()
    assert (Settings().host, Settings().port, Settings().data) == ("127.0.0.1", 8848, Path("nacos-data"))
    assert not Settings().auth
    assert not Settings().insecure


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    config = write(tmp_path, 'host = "127.0.0.3"\nport = 3\ndata = "three"\nauth = true\npush_merge_ms = 7')
    environment = {"NACOS_CORE_HOST": "127.0.0.2", "NACOS_CORE_PORT": "2", "NACOS_CORE_AUTH": "off"}
    chosen = load({"host": "127.0.0.1", "config": config}, environment)
    assert (chosen.host, chosen.port, chosen.data) == ("127.0.0.1", 2, Path("three"))
    assert not chosen.auth
    assert chosen.push_merge_ms == 7


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    assert load({}, {"NACOS_CORE_CONFIG": write(tmp_path, "port = 1234")}).port == 1234


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", "prot"),
        ("config = 'x'", "config"),
        ("admin_password = 'x'", "admin_password"),
        ("port = 'x'", "port"),
        ("port = 65000", "port"),
        ("port = true", "port"),
        ("auth = 'maybe'", "auth"),
        ("log_level = 'loud'", "log_level"),
        ("data = ''", "data"),
        ("host = 1", "host"),
        ("= 1", "node.toml"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load({"config": write(tmp_path, text)}, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        load({"config": str(tmp_path / "gone.toml")}, {})


def test_a_wrong_flag_or_variable_is_named() -> None:
    with pytest.raises(SettingsError, match="--push-merge-ms"):
        load({"push_merge_ms": "-1"}, {})
    with pytest.raises(SettingsError, match="NACOS_CORE_PORT"):
        load({}, {"NACOS_CORE_PORT": "88x"})


def test_the_variables_that_kubernetes_sets_for_a_service_of_this_name_are_no_settings() -> None:
    environment = {"NACOS_CORE_PORT": "tcp://10.0.0.1:8848", "NACOS_CORE_SERVICE_HOST": "10.0.0.1"}
    assert load({}, environment) == Settings()


def test_a_variable_that_is_no_setting_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    of_kubernetes = ("SERVICE_PORT_HTTP", "PORT_8848_TCP_ADDR", "HEADLESS_SERVICE_HOST", "HEADLESS_PORT")
    for name in ("ADMIN_PASSWORD", "CLUSTER_SECRET", "SERVER", "USERNAME", "PASSWORD", *of_kubernetes):
        load({}, {f"NACOS_CORE_{name}": "long enough for a secret"})
    assert caplog.messages == []
    load({}, {"NACOS_CORE_AUTHENTICATION": "on", "NACOS_CORE": "1"})
    assert len(caplog.messages) == 1
    assert "NACOS_CORE_AUTHENTICATION" in caplog.messages[0]


def test_the_password_comes_from_the_environment_and_is_never_shown() -> None:
    variables = {"NACOS_CORE_CLUSTER_SECRET": "hush-hush-hush-hush"}
    assert "hush" not in repr(load({}, variables))
    chosen = load({}, {"NACOS_CORE_ADMIN_PASSWORD": "hush-hush"})
    assert chosen.admin_password == "hush-hush"
    assert "hush" not in repr(chosen)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_needs_nothing(address: str) -> None:
    assert is_loopback(address)
    check(Settings(), [address])


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1"])
def test_another_address_needs_authentication_or_a_word(address: str) -> None:
    with pytest.raises(SettingsError, match="--insecure"):
        check(Settings(), ["127.0.0.1", address])
    check(Settings(auth=True), [address])
    check(Settings(insecure=True), [address])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (Settings(cluster="127.0.0.1:8848", join="127.0.0.1:8858"), "give one of them"),
        (Settings(join="127.0.0.1:8848"), "127.0.0.1:8848 is this node itself"),
        (Settings(port=8858, advertise="127.0.0.1:8848@7000", join="127.0.0.1:8848"), "is this node itself"),
        (Settings(port=0, join="127.0.0.1:8848"), "--port 0"),
        (Settings(port=None, join="127.0.0.1:8848"), "advertise"),
    ],
)
def test_what_does_not_go_together_of_a_cluster_is_named(settings: Settings, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        cluster_settings(settings)


def test_a_node_that_joins_another_one_has_peers_and_one_that_stands_alone_has_none() -> None:
    joining = cluster_settings(Settings(join="127.0.0.1:8858"))
    assert joining is not None
    assert joining.join is not None
    assert (joining.own.name, joining.join.name, joining.listed) == ("127.0.0.1:8848", "127.0.0.1:8858", ())
    assert cluster_settings(Settings()) is None
